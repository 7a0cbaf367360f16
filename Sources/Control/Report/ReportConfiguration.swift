import Foundation
import Rules

/// A configuration as files that stand alone elsewhere: without secrets, and with the rules that came over the socket.
public enum ReportConfiguration {
  /// `config.yaml` and `config.flow` are the configuration as it was read; `replay.yaml` and `replay.flow` have the rules of
  /// `more` (lines of testpmd's grammar) too, for `dpuctl replay --config replay.yaml`.
  ///
  /// - Parameters:
  ///   - text: the YAML document.
  ///   - rules: the text of its `rules_file`; nil when it has none.
  /// - Throws: ``YAMLError`` when the text is no YAML.
  public static func files(_ text: String, rules: String?, more: [String]) throws(YAMLError) -> [(
    name: String, text: String
  )] {
    var map = try YAMLValue.parse(text, file: "config.yaml").map()
    let inline = map.optional("rules")
    let script = if let rules { rules } else if let inline { try inline.string() } else { "" }
    let kept = withoutRules(withoutSecrets(text))
    let all = ([script] + more).joined(separator: "\n") + "\n"
    return [
      ("config.yaml", kept + "\nrules_file: config.flow\n"), ("config.flow", script + "\n"),
      ("replay.yaml", kept + "\nrules_file: replay.flow\n"), ("replay.flow", all),
    ]
  }

  /// Words at the end of a key whose value is nobody else's business.
  private static let secrets = ["secret", "password", "passphrase", "psk", "token", "key"]

  /// The text with the values of such keys taken out.
  static func withoutSecrets(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      guard let colon = line.firstIndex(of: ":") else { return String(line) }
      let key = line[..<colon].drop { $0 == " " || $0 == "-" || $0 == "{" }.lowercased()
      guard secrets.contains(where: { key == $0 || key.hasSuffix("_" + $0) }) else { return String(line) }
      return line[...colon] + " \"(left out)\""
    }.joined(separator: "\n")
  }

  /// The text without the top-level keys `rules` and `rules_file`.
  static func withoutRules(_ text: String) -> String {
    var kept: [Substring] = []
    var isInside = false
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("rules:") || line.hasPrefix("rules_file:") {
        isInside = true
        continue
      }
      // The block goes on while lines are indented or empty.
      if isInside, line.isEmpty || line.hasPrefix(" ") || line.hasPrefix("\t") { continue }
      isInside = false
      kept.append(line)
    }
    return kept.joined(separator: "\n")
  }
}

extension Daemon {
  /// The configuration's files, for a report.
  func configurationText() throws(RequestFailure) -> JSON {
    do {
      let (text, rules) = try Self.texts(file)
      return ["schema_version": 1, "config": .string(text), "rules_text": rules.map { .string($0) } ?? .null]
    } catch { throw RequestFailure("config.unreadable", "\(error)") }
  }

  /// The text of a configuration, and of its `rules_file`.
  public static func texts(_ file: String) throws -> (config: String, rules: String?) {
    let text = try String(contentsOfFile: file, encoding: .utf8)
    var map = try YAMLValue.parse(text, file: file).map()
    guard let name = try map.optional("rules_file")?.string() else { return (text, nil) }
    let folder = file.lastIndex(of: "/").map { String(file[...$0]) } ?? ""
    return (text, try String(contentsOfFile: name.hasPrefix("/") ? name : folder + name, encoding: .utf8))
  }
}
