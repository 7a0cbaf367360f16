public import Offload

/// What carries rules out beside software: the section `device` of the document.
public struct DeviceSettings: Equatable, Sendable {
  /// The kinds.
  public enum Kind: String, Equatable, Sendable, CaseIterable {
    /// Software alone.
    case none
    /// The emulated device as a model that each poll thread calls.
    case emulated
    /// The emulated device in a process of its own for each poll thread.
    case process
  }

  /// The kind.
  public var kind = Kind.none
  /// The profile's name, alias or file; empty for none.
  public var profile = ""
  /// The program of a process; nil: `dpu-device` beside this one.
  public var program: String?
  /// Rules that the device is given at most.
  public var rules = 4096
  /// Nanoseconds without progress after which a device with work is taken for lost.
  public var silence: UInt64 = 5_000_000
  /// Who may carry rules out.
  public var mode = OffloadMode.auto

  /// Software alone.
  public init() {}

  static func read(_ value: YAMLValue) throws(YAMLError) -> DeviceSettings {
    var settings = DeviceSettings()
    var map = try value.map()
    settings.kind = try map.required("kind").choice(Kind.allCases.map { ($0.rawValue, $0) })
    if settings.kind != .none {
      settings.profile = try map.required("profile").string()
      if let rules = map.optional("rules") { settings.rules = try rules.integer(1...65536) }
      if let mode = map.optional("mode") {
        settings.mode = try mode.choice([("auto", .auto), ("forbid-hw", .forbidHardware)])
      }
    }
    if settings.kind == .process {
      if let program = map.optional("program") { settings.program = try program.string() }
      if let silence = map.optional("silence_ms") {
        settings.silence = UInt64(try silence.integer(1...60_000)) * 1_000_000
      }
    }
    try map.finish()
    return settings
  }
}
