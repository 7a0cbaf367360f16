import Device
import Rules

extension Configuration {
  /// Reads a configuration.
  ///
  /// - Parameters:
  ///   - text: the YAML document.
  ///   - file: its name for messages.
  ///   - include: gives the text of `rules_file`, whose path is relative to the document.
  /// - Throws: ``YAMLError`` with the place; an error in the rules is told at the line of the script.
  public static func read(
    _ text: String, file: String, include: (String) throws -> String
  ) throws(YAMLError) -> Configuration {
    let document = try YAMLValue.parse(text, file: file)
    var map = try document.map()
    _ = try map.required("version").integer(1...1)
    var overlay = Overlay()
    let ports = try readPorts(try map.required("ports"))
    overlay.ports = ports.map(\.port)
    if let endpoint = map.optional("endpoint") { overlay.endpoint = try readEndpoint(endpoint) }
    let policies = try map.optional("encapsulations").map(readPolicies) ?? []
    var answers = AnswerRate()
    if let value = map.optional("answers") {
      var rate = try value.map()
      if let perSecond = rate.optional("per_second") { answers.perSecond = try perSecond.integer(0...1_000_000) }
      if let burst = rate.optional("burst") { answers.burst = try burst.integer(1...1_000_000) }
      try rate.finish()
    }
    var wants: [String] = []
    if let list = map.optional("wants") { for entry in try list.list() { wants.append(try entry.string()) } }
    var configuration = Configuration(
      file: file, ports: ports, overlay: overlay, rules: [], wants: wants, answers: answers)
    var live = LiveSettings()
    if let value = map.optional("runtime") { try readRuntime(value, &live) }
    if let value = map.optional("device") { try readDevice(value, &live) }
    if let value = map.optional("misses") { try readMisses(value, &live) }
    if let value = map.optional("control") { try readControl(value, &live) }
    if let value = map.optional("journal") { try readJournal(value, &live) }
    if let value = map.optional("dpdk") { try readDPDK(value, &live) }
    if let value = map.optional("telemetry") { try readTelemetry(value, &live) }
    if let value = map.optional("metrics") { try readMetrics(value, &live) }
    configuration.live = live
    let inline = map.optional("rules")
    let path = map.optional("rules_file")
    try map.finish()
    if let inline, path != nil { throw inline.error("both rules and rules_file are given") }
    if let inline {
      try configuration.addRules(try inline.string(), file: file, value: inline)
    } else if let path {
      let name = try path.string()
      let text: String
      do { text = try include(name) } catch { throw path.error("\(error)") }
      try configuration.addRules(text, file: name, value: nil)
    }
    try configuration.apply(policies, file: file)
    return configuration
  }
}
