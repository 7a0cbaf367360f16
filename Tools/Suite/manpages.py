"""Man pages of a program from its command tree: `PROGRAM --experimental-dump-help | manpages.py DIR`.

A page a command: dpuctl.1, dpuctl-trace.1, dpuctl-rule-add.1; dpud stands in section 8.
"""

import json
import os
import sys

EXIT_CODES = [("0", "done"), ("1", "refused, failed, or different"), ("64", "usage"), ("69", "no daemon answers"),
              ("75", "busy, or no answer in time"), ("77", "permission"), ("78", "the configuration is wrong")]
SECTIONS = {"dpud": 8}
# The parser's own commands.
HIDDEN = {"help"}


def escape(text):
    """Text that roff takes as it is written."""
    lines = text.replace("\\", "\\e").replace("-", "\\-").split("\n")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in lines)


def spelled(name):
    return ("--" if name["kind"] == "long" else "-") + name["name"]


def value(argument):
    return argument.get("valueName", "value").upper()


def synopsis(argument):
    if argument["kind"] == "positional":
        text = f"\\fI{escape(value(argument))}\\fR"
    else:
        text = f"\\fB{escape(spelled(argument['preferredName']))}\\fR"
        if argument["kind"] == "option":
            text += f" \\fI{escape(value(argument))}\\fR"
    if argument.get("isRepeating"):
        text += "..."
    return f"[{text}]" if argument.get("isOptional") else text


def shown(command):
    return [argument for argument in command.get("arguments", []) if argument.get("shouldDisplay", True)]


def entry(argument):
    if argument["kind"] == "positional":
        head = f"\\fI{escape(value(argument))}\\fR"
    else:
        head = ", ".join(f"\\fB{escape(spelled(name))}\\fR" for name in argument["names"])
        if argument["kind"] == "option":
            head += f" \\fI{escape(value(argument))}\\fR"
    text = argument.get("abstract", "")
    if argument.get("defaultValue") not in (None, "", "false"):
        text += f" The default is {argument['defaultValue']}."
    return f".TP\n{head}\n{escape(text) or '.'}"


def page(command, path, section):
    name = "-".join(path)
    lines = [f".TH {name.upper().replace('-', chr(92) + '-')} {section} \"\" \"dpu\" \"dpu manual\"", ".SH NAME",
             f"{escape(name)} \\- {escape(command.get('abstract', '').rstrip('.'))}", ".SH SYNOPSIS",
             f"\\fB{escape(' '.join(path))}\\fR " + " ".join(synopsis(argument) for argument in shown(command))]
    children = [child for child in command.get("subcommands", []) if child["commandName"] not in HIDDEN]
    if children:
        lines[-1] += " \\fICOMMAND\\fR"
    if command.get("discussion"):
        lines.append(".SH DESCRIPTION")
        lines.append("\n.PP\n".join(escape(part) for part in command["discussion"].split("\n\n")))
    for kind, title in (("positional", "ARGUMENTS"), (None, "OPTIONS")):
        entries = [entry(a) for a in shown(command) if (a["kind"] == "positional") == (kind == "positional")]
        if entries:
            lines += [f".SH {title}"] + entries
    if children:
        lines.append(".SH COMMANDS")
        for child in children:
            default = " (the default)" if child["commandName"] == command.get("defaultSubcommand") else ""
            lines.append(f".TP\n\\fB{escape(name + '-' + child['commandName'])}\\fR({section})\n"
                         f"{escape(child.get('abstract', '') + default)}")
    lines.append(".SH EXIT STATUS")
    lines += [f".TP\n\\fB{code}\\fR\n{words}" for code, words in EXIT_CODES]
    if len(path) > 1:
        above = "-".join(path[:-1])
        lines += [".SH SEE ALSO", f"\\fB{escape(above)}\\fR({section})"]
    return "\n".join(lines) + "\n"


def pages(command, above=(), section=1):
    """(file name, text) of the command and all beneath it."""
    path = [*above, command["commandName"]]
    yield f"{'-'.join(path)}.{section}", page(command, path, section)
    for child in command.get("subcommands", []):
        if child["commandName"] not in HIDDEN:
            yield from pages(child, path, section)


def main(folder):
    tree = json.load(sys.stdin)["command"]
    section = SECTIONS.get(tree["commandName"], 1)
    target = os.path.join(folder, f"man{section}")
    os.makedirs(target, exist_ok=True)
    for name, text in pages(tree, section=section):
        with open(os.path.join(target, name), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main(sys.argv[1])
