import Device
import Rules

extension Configuration {
  /// Reads a script of rules into the configuration.
  ///
  /// `value` is the YAML value that holds the text, or nil when it is a file of its own: then lines count in that file.
  mutating func addRules(_ text: String, file: String, value: YAMLValue?) throws(YAMLError) {
    let state: ScriptState
    do throws(GrammarError) {
      state = try FlowScript.load(text)
    } catch {
      // A block of text begins on the line behind its key.
      let line = (value?.line ?? 0) + error.line
      var message = error.message
      if let suggestion = error.suggestion { message += "; did you mean '\(suggestion)'?" }
      if !error.expected.isEmpty { message += "\n  expected: " + error.expected.joined(separator: ", ") }
      throw YAMLError(file: file, line: line, column: error.column, message: message + "\n" + error.excerpt)
    }
    overlay.encapsulations = state.encapsulations
    overlay.decapsulations = state.decapsulations
    overlay.sampleActions = state.sampleActions
    overlay.indirectActions = state.indirectActions
    rules = state.rules.map { NumberedRule(id: $0.id, rule: $0.rule) }
    for numbered in rules {
      try checkPorts(numbered, file: file, line: (value?.line ?? 0) + (state.line(numbered.id) ?? 0))
    }
  }

  /// A port that a rule was made on, or sends to, must be one of the configuration.
  private func checkPorts(_ numbered: NumberedRule, file: String, line: Int) throws(YAMLError) {
    func missing(_ id: UInt16) -> YAMLError {
      let known = ports.map { "\($0.port.id) (\($0.name))" }.joined(separator: ", ")
      return YAMLError(
        file: file, line: line, column: 1,
        message: "rule #\(numbered.id) names port \(id), which is not there; ports: \(known)")
    }
    let has = { (id: UInt16) in ports.contains { $0.port.id == id } }
    guard has(numbered.rule.attributes.port) else { throw missing(numbered.rule.attributes.port) }
    for action in numbered.rule.actions {
      switch action {
      case .portID(let id), .representedPort(let id), .portRepresentor(let id): guard has(id) else { throw missing(id) }
      default: continue
      }
    }
  }

  mutating func apply(
    _ policies: [(index: UInt16, policy: EncapsulationPolicy)], file: String
  ) throws(YAMLError) {
    for (index, policy) in policies {
      guard overlay.encapsulations[index] != nil else {
        let known = overlay.encapsulations.keys.sorted().map { "\($0)" }.joined(separator: ", ")
        throw YAMLError(
          file: file, line: 0, column: 0,
          message: "encapsulations: no rule script sets raw_encap \(index) (set here: \(known))")
      }
      overlay.encapsulations[index]?.policy = policy
    }
  }
}
