/// What one model of device allows when it is driven in one way: the data of DeviceProfiles/.
///
/// Every limit and ability rests on a citation; what nobody documents is not set and listed in ``undocumented``.
public struct DeviceProfile: Equatable, Sendable {
  /// The profile's own name: `bluefield3-sws`.
  public var name: String
  /// Other names that users give it; tools print which profile an alias stands for.
  public var aliases: [String]
  /// The device in its maker's words.
  public var model: String
  /// Firmware that the abilities need, in words.
  public var firmware: String
  /// How the device is driven.
  public var access: DeviceAccess
  /// What has to be installed for ``access``, when this project's DPDK 22.11 is not enough. Planning works without it.
  public var needs: String?
  /// One sentence for a list of profiles.
  public var summary: String
  /// What it allows, as flat data. A limit that nobody documents is as large as its type (or 0 where that is "none").
  public var abilities: Abilities
  /// What it offers beside rules (``Feature/services``).
  public var services: [Feature]
  /// Where each ability and limit is documented, by its name in the profile: `match.geneve`, `limits.priorities`.
  public var citations: [String: String]
  /// Sets of features that cannot be on together.
  public var exclusions: [Exclusion]
  /// Abilities and limits that nobody documents, with what was done about each.
  public var undocumented: [Undocumented]
  /// Other things a user has to know.
  public var notes: [String]

  /// A profile that allows nothing.
  public init(name: String, model: String = "", access: DeviceAccess = .emulated) {
    self.name = name
    self.model = model
    self.access = access
    aliases = []
    firmware = ""
    needs = nil
    summary = ""
    abilities = Abilities()
    services = []
    citations = [:]
    exclusions = []
    undocumented = []
    notes = []
  }

  /// The document that a limit or ability rests on; says so when nobody documents it.
  public func citation(_ name: String) -> String {
    citations[name] ?? undocumented.first { $0.names.contains(name) }?.note ?? "not documented as an ability"
  }

  /// Features that cannot be on together.
  public struct Exclusion: Equatable, Sendable {
    /// All of these at once do not work; any part of them does.
    public var features: Set<Feature>
    /// Why, in one sentence.
    public var reason: String
    /// Where that is documented.
    public var source: String
    /// An exclusion.
    public init(features: Set<Feature>, reason: String, source: String) {
      self.features = features
      self.reason = reason
      self.source = source
    }
  }

  /// Something that nobody documents.
  public struct Undocumented: Equatable, Sendable {
    /// Names as in ``citations``.
    public var names: [String]
    /// What was looked for, and what the profile does about it.
    public var note: String
    /// A gap.
    public init(names: [String], note: String) {
      self.names = names
      self.note = note
    }
  }
}

/// How a device is driven. It decides as much about what can be offloaded as the model does.
public enum DeviceAccess: String, Sendable, CaseIterable {
  /// DPDK 22.11's synchronous rte_flow (Debian 12).
  case dpdk2211 = "dpdk-22.11"
  /// rte_flow's template API, DPDK 24.03 or later.
  case dpdkTemplates = "dpdk>=24.03 templates"
  /// tc flower and xfrm offload of the Linux kernel.
  case kernel = "kernel tc + xfrm"
  /// NVIDIA DOCA.
  case doca = "doca"
  /// A virtio network function.
  case virtio = "virtio"
  /// Only this project's emulated device.
  case emulated = "emulated"
}

/// Something that can be wanted of a device: an ability by its name in profiles, or a service beside rules.
public struct Feature: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// The name on every interface: `match.geneve_options`, `service.ipsec_packet_pf`.
  public let name: String
  private init(name: String) { self.name = name }

  /// What is offered beside rules, and its meaning.
  public static let services: [(name: String, meaning: String)] = [
    ("service.ipsec_crypto_pf", "xfrm crypto offload on the physical function"),
    ("service.ipsec_packet_pf", "xfrm packet offload on the physical function"),
    ("service.ipsec_crypto_vf", "xfrm crypto offload on virtual functions"),
    ("service.ipsec_packet_vf", "xfrm packet offload on virtual functions"),
    ("service.tc_flower", "tc flower rules on the same network device"),
  ]

  /// Every feature's name.
  public static let allNames: [String] =
    MatchAbilities.names.map { "match." + $0.name } + ActionAbilities.names.map { "actions." + $0.name }
    + FrameAbilities.names.map { "frame." + $0.name } + services.map(\.name)

  /// The feature of that name; nil when there is none.
  public init?(named name: String) {
    guard Self.allNames.contains(name) else { return nil }
    self.name = name
  }

  /// The features behind match abilities.
  public static func features(_ set: MatchAbilities) -> [Feature] {
    MatchAbilities.names.filter { set.contains($0.ability) }.map { Feature(name: "match." + $0.name) }
  }
  /// The features behind action abilities.
  public static func features(_ set: ActionAbilities) -> [Feature] {
    ActionAbilities.names.filter { set.contains($0.ability) }.map { Feature(name: "actions." + $0.name) }
  }
  /// The features behind frame abilities.
  public static func features(_ set: FrameAbilities) -> [Feature] {
    FrameAbilities.names.filter { set.contains($0.ability) }.map { Feature(name: "frame." + $0.name) }
  }

  /// By name.
  public static func < (a: Feature, b: Feature) -> Bool { a.name < b.name }
  /// The name.
  public var description: String { name }
}

/// The limits that a profile gives or calls undocumented, by their names in profiles.
public enum DeviceLimit: String, Sendable, CaseIterable {
  /// ``Abilities/rules``
  case rules = "rules"
  /// ``Abilities/groups``
  case groups = "groups"
  /// ``Abilities/priorities``
  case priorities = "priorities"
  /// ``Abilities/largestHeader``
  case largestHeader = "largest_header_bytes"
  /// ``Abilities/counterBits``
  case counterBits = "counter_bits"
  /// ``Abilities/insertionsPerSecond``
  case insertionsPerSecond = "insertions_per_second"
  /// ``Abilities/insertionLatency``
  case insertionLatency = "insertion_latency_ns"
  /// ``Abilities/counterInterval``
  case counterInterval = "counter_interval_ns"
  /// ``GeneveOptionLimits/perRule``
  case geneveOptionsPerRule = "geneve_options_per_rule"
  /// ``GeneveOptionLimits/perDevice``
  case geneveOptionsPerDevice = "geneve_options_per_device"
  /// ``GeneveOptionLimits/words``
  case geneveOptionWords = "geneve_option_words"
  /// ``GeneveOptionLimits/wordsPerOption``
  case geneveWordsPerOption = "geneve_words_per_option"
  /// ``GeneveOptionLimits/classCostsWord``
  case geneveClassCostsWord = "geneve_class_costs_word"
  /// ``GeneveOptionLimits/refusesZeroData``
  case geneveRefusesZeroData = "geneve_refuses_zero_data"
  /// ``GeneveOptionLimits/refusesZeroMask``
  case geneveRefusesZeroMask = "geneve_refuses_zero_mask"
  /// ``GeneveOptionLimits/refusesRepeats``
  case geneveRefusesRepeats = "geneve_refuses_repeats"

  /// Whether it is about Geneve options, and so only asked for when the device matches them.
  public var isAboutGeneveOptions: Bool { rawValue.hasPrefix("geneve_") }
  /// Whether it is a yes or no.
  public var isSwitch: Bool {
    switch self {
    case .geneveClassCostsWord, .geneveRefusesZeroData, .geneveRefusesZeroMask, .geneveRefusesRepeats: true
    default: false
    }
  }
  /// The name in ``DeviceProfile/citations``.
  public var citationName: String { "limits." + rawValue }
}
