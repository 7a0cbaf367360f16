import ArgumentParser
import Control
import Device
import Rules

/// `dpuctl config check|show|reload`.
struct ConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Check a configuration, or show it as it is understood.",
    subcommands: [Check.self, Show.self, Reload.self], defaultSubcommand: Show.self)

  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Say whether a configuration is right; exit code 78 if not.")
    @OptionGroup var input: ConfigurationOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
      try output.run {
        let configuration = try input.load()
        let document = Document(
          file: configuration.file, ports: configuration.ports.count, rules: configuration.rules.count,
          encapsulations: configuration.overlay.encapsulations.count)
        try output.emit(document) {
          "\(document.file): right; \(document.ports) ports, \(document.rules) rules, "
            + "\(document.encapsulations) encapsulations"
        }
      }
    }

    private struct Document: Encodable {
      var schemaVersion = 1
      var file: String
      var ports: Int
      var rules: Int
      var encapsulations: Int
    }
  }

  struct Reload: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "reload",
      abstract: "Have a running dpud read its configuration again; exit code 78 when it is wrong.")
    @OptionGroup var live: LiveOptions

    func run() throws { try live.show("config.reload") { $0.lines } }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "Show ports and rules as they are understood, in canonical grammar.",
      aliases: ["list", "ls"])
    @Option(name: .shortAndLong, help: "Configuration file (YAML).") var config: String?
    @Option(help: "Show the configuration that verify draws from this seed.") var drawn: UInt64?
    @Option(help: "How rules are written: testpmd, or ovs (as Open vSwitch dumps flows; what it cannot say is told).")
    var format = RuleFormat.testpmd
    @Flag(help: "Show what a running dpud has in force, defaults included.") var effective = false
    @OptionGroup var live: LiveOptions
    private var output: OutputOptions { live.output }

    func run() throws {
      if effective { return try live.show("config.show") { String(decoding: $0.bytes(pretty: true), as: UTF8.self) } }
      try output.run {
        let configuration: Configuration
        if let drawn, config == nil {
          configuration = RandomConfiguration.make(seed: drawn)
        } else if let config, drawn == nil {
          configuration = try ConfigurationOptions.load(config)
        } else {
          throw Failure(code: "usage", message: "one of --config, --drawn and --effective is needed", exitCode: 64)
        }
        let document = Document(configuration, format)
        try output.emit(document) {
          var ports = Table(header: ["PORT", "ID", "KIND", "MTU", "MAC", "TENANT", "MISS"])
          for port in document.ports {
            ports.rows.append([
              port.name, "\(port.id)", port.kind, "\(port.mtuBytes)", port.mac, "\(port.tenant)", port.miss,
            ])
          }
          var rules = Table(header: ["RULE", "TEXT"])
          rules.rows = document.rules.map { ["\($0.id)", $0.text] }
          var text = ports.text()
          if !document.shared.isEmpty { text += "\n\n" + document.shared.joined(separator: "\n") }
          return text + "\n\n" + rules.text()
        }
      }
    }

    private struct Document: Encodable {
      struct Port: Encodable {
        var name: String
        var id: UInt16
        var kind: String
        var mtuBytes: UInt16
        var mac: String
        var tenant: UInt16
        var miss: String
      }
      struct Rule: Encodable {
        var id: UInt32
        var text: String
      }
      var schemaVersion = 1
      var ports: [Port]
      /// The commands that made encapsulations' companions: sample lists and indirect actions.
      var shared: [String]
      var rules: [Rule]

      init(_ configuration: Configuration, _ format: RuleFormat) {
        ports = configuration.ports.map { named in
          Port(
            name: named.name, id: named.port.id, kind: "\(named.port.kind)", mtuBytes: named.port.mtu,
            mac: Address.text(mac: named.port.mac), tenant: named.port.tenant, miss: "\(named.port.miss)")
        }
        let overlay = configuration.overlay
        shared = overlay.sampleActions.sorted { $0.key < $1.key }.map { "\(Command.setSampleActions(index: $0, $1))" }
        var direction = Command.Direction()
        direction.ingress = true
        for (id, action) in overlay.indirectActions.sorted(by: { $0.key < $1.key }) {
          shared.append("\(Command.createIndirect(port: 0, id: id, direction, action))")
        }
        rules = configuration.rules.map { Rule(id: $0.id, text: format.text(of: $0.rule, configuration)) }
      }
    }
  }
}

/// `--format`: the words that rules are shown in.
enum RuleFormat: String, ExpressibleByArgument, CaseIterable {
  case testpmd, ovs

  /// The rule, or why it has no words.
  func text(of rule: Rule, _ configuration: Configuration) -> String {
    guard self == .ovs else { return "\(rule)" }
    let overlay = configuration.overlay
    let check = RuleCheck(
      encapsulations: overlay.encapsulations, decapsulations: overlay.decapsulations,
      sampleActions: overlay.sampleActions, indirectActions: overlay.indirectActions)
    do throws(RuleError) { return try FlowLine(rule: rule).text(check) } catch { return "# no flow: \(error)" }
  }
}
