import Rules

/// libFuzzer's door: bytes as a file of commands.
@_cdecl("LLVMFuzzerTestOneInput")
public func rulesTarget(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  // A copy of exactly these bytes: a read past the end is seen by the address sanitizer.
  let bytes = unsafe [UInt8](UnsafeBufferPointer(start: data, count: count))
  do throws(GrammarError) {
    var state = ScriptState()
    for line in try FlowScript.parse(bytes: bytes, source: "input") {
      again(line.command)
      do throws(ScriptError) { _ = try state.apply(line.command) } catch { precondition(!error.description.isEmpty) }
    }
    for (_, rule) in state.rules { again(rule) }
  } catch {
    // A place that is in the text, and words.
    precondition(error.line >= 1 && error.column >= 1 && !error.description.isEmpty, "an error without a place")
  }
  return 0
}

/// What parses is printed, and parses to the same.
private func again(_ command: Command) {
  let text = command.description
  do throws(GrammarError) {
    let read = try FlowScript.command(text)
    precondition(read == command, "printed as '\(text)', which is another command")
  } catch {
    preconditionFailure("printed as '\(text)', which does not parse: \(error)")
  }
}

private func again(_ rule: Rule) {
  let text = rule.description
  do throws(GrammarError) {
    guard case .create(let request) = try FlowScript.command(text), request.rule == rule else {
      preconditionFailure("printed as '\(text)', which is another rule")
    }
  } catch {
    preconditionFailure("printed as '\(text)', which does not parse: \(error)")
  }
}
