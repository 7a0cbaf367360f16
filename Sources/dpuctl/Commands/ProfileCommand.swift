import ArgumentParser
import Control
import Device

/// `dpuctl profile list|show`.
struct ProfileCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "profile", abstract: "Show what device profiles allow, each limit with its source.",
    subcommands: [List.self, Show.self], defaultSubcommand: List.self)

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the profiles.", aliases: ["ls"])
    @Option(help: "Folder of profiles (default: DeviceProfiles beside the program).") var profiles: String?
    @OptionGroup var output: OutputOptions

    func run() throws {
      try output.run {
        let catalog = try ProfileCatalog.standard(folder: profiles)
        let document = Document(profiles: catalog.profiles.map(Summary.init))
        try output.emit(document) {
          var table = Table(header: ["PROFILE", "ALIASES", "MODEL", "ACCESS", "NEEDS"])
          table.rows = document.profiles.map {
            [$0.name, $0.aliases.joined(separator: ","), $0.model, $0.access, $0.needs ?? "-"]
          }
          return table.text()
        }
      }
    }

    private struct Document: Encodable {
      var schemaVersion = 1
      var profiles: [Summary]
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show one profile whole.")
    @Argument(help: "Name, alias or file.") var name: String
    @Option(help: "Folder of profiles (default: DeviceProfiles beside the program).") var profiles: String?
    @OptionGroup var output: OutputOptions

    func run() throws {
      try output.run {
        let choice = try ProfileCatalog.choose(name, folder: profiles)
        let document = Detail(choice.profile, alias: choice.alias)
        try output.emit(document) { document.text }
      }
    }
  }
}

/// What a list says of a profile.
struct Summary: Encodable {
  var name: String
  var aliases: [String]
  var model: String
  var access: String
  var needs: String?

  init(_ profile: DeviceProfile) {
    name = profile.name
    aliases = profile.aliases
    model = profile.model
    access = profile.access.rawValue
    needs = profile.needs
  }
}

/// A whole profile for printing.
struct Detail: Encodable {
  struct Entry: Encodable {
    var name: String
    var value: String
    var source: String
  }
  var schemaVersion = 1
  var alias: String?
  var profile: Summary
  var firmware: String
  var abilities: [Entry]
  var limits: [Entry]
  var exclusions: [String]
  var undocumented: [String]
  var notes: [String]

  init(_ profile: DeviceProfile, alias: String?) {
    self.alias = alias
    self.profile = Summary(profile)
    firmware = profile.firmware
    let can = profile.abilities
    let features = Feature.features(can.match) + Feature.features(can.actions) + Feature.features(can.frame)
    abilities = (features + profile.services).map {
      Entry(name: $0.name, value: "yes", source: profile.citation($0.name))
    }
    limits = DeviceLimit.allCases.map {
      Entry(name: $0.rawValue, value: can.text(of: $0), source: profile.citation($0.citationName))
    }
    exclusions = profile.exclusions.map {
      "\($0.features.sorted().map(\.name).joined(separator: " + ")): \($0.reason) [\($0.source)]"
    }
    undocumented = profile.undocumented.map { "\($0.names.joined(separator: ", ")): \($0.note)" }
    notes = profile.notes
  }

  var text: String {
    var out = "\(profile.name)\(alias.map { " (asked for as \($0))" } ?? "")\n"
    out +=
      "  model     \(profile.model)\n  firmware  \(firmware.isEmpty ? "-" : firmware)\n  access    \(profile.access)\n"
    if let needs = profile.needs { out += "  needs     \(needs)\n" }
    var table = Table(header: ["ABILITY", "SOURCE"])
    table.rows = abilities.map { [$0.name, $0.source] }
    out += "\n" + table.text() + "\n"
    table = Table(header: ["LIMIT", "VALUE", "SOURCE"])
    table.rows = limits.map { [$0.name, $0.value, $0.source] }
    out += "\n" + table.text()
    func list(_ title: String, _ lines: [String]) {
      if !lines.isEmpty { out += "\n\n\(title)\n" + lines.map { "  " + $0 }.joined(separator: "\n") }
    }
    list("EXCLUSIONS", exclusions)
    list("NOT DOCUMENTED BY ANYBODY", undocumented)
    list("NOTES", notes)
    return out
  }
}

extension Abilities {
  /// The value of a limit in words.
  func text(of limit: DeviceLimit) -> String {
    let options = geneveOptions
    switch limit {
    case .rules: return rules == .max ? "unlimited" : "\(rules)"
    case .groups: return groups == .max ? "unlimited" : "\(groups)"
    case .priorities: return priorities == .max ? "unlimited" : "\(priorities)"
    case .largestHeader: return "\(largestHeader)"
    case .counterBits: return "\(counterBits)"
    case .insertionsPerSecond: return insertionsPerSecond == 0 ? "none" : "\(insertionsPerSecond)"
    case .insertionLatency: return "\(insertionLatency)"
    case .counterInterval: return "\(counterInterval)"
    case .geneveOptionsPerRule: return "\(options.perRule)"
    case .geneveOptionsPerDevice: return options.perDevice == 0 ? "none" : "\(options.perDevice)"
    case .geneveOptionWords: return options.words == 0 ? "none" : "\(options.words)"
    case .geneveWordsPerOption: return options.wordsPerOption == 0 ? "none" : "\(options.wordsPerOption)"
    case .geneveClassCostsWord: return options.classCostsWord ? "yes" : "no"
    case .geneveRefusesZeroData: return options.refusesZeroData ? "yes" : "no"
    case .geneveRefusesZeroMask: return options.refusesZeroMask ? "yes" : "no"
    case .geneveRefusesRepeats: return options.refusesRepeats ? "yes" : "no"
    }
  }
}
