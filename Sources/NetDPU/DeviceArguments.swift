import EmulatedDevice

/// What stands at the other end of the device's uplink.
enum WireKind: Equatable {
  /// The uplink's own receive side.
  case loopback
  /// The device of another process, by the name of the memory that both map.
  case sharedMemory(String)
  /// A TAP device of the kernel.
  case tap(String)
  /// A capture that is read once, and one that is written.
  case capture(input: String, output: String?)
}

/// The devargs of one `--vdev=net_dpuN,KEY=VALUE,…`.
struct DeviceArguments: Equatable {
  /// The profile's name, alias or file.
  var profile = "bluefield3"
  /// The folder that profiles are looked for in; nil for the one beside the plugin.
  var profiles: String?
  /// What the uplink leads to.
  var wire = WireKind.loopback
  /// Virtual functions, each with a representor.
  var virtualFunctions = 0
  /// What goes wrong.
  var faults = FaultPlan()
  /// Seed of the device's chance.
  var seed: UInt64 = 0

  /// The device is pulled out behind so many frames; 0 for never.
  var removeAt: UInt64 = 0
  /// Rules that the device is given memory for, 64…2^23.
  var rules = 1 << 17

  /// Most virtual functions: ethdevs are numbered in 32 by default.
  static let mostFunctions = 14
  /// Keys, for words and for the driver's help.
  static let keys = "profile=, profiles=, wire=, vfs=, rules=, faults=, remove=, seed="

  /// Reads devargs. A value with commas stands in brackets: `faults=[reset=100,lost-frame=7]`.
  init(_ text: String) throws(AttachError) {
    for entry in try Self.entries(text) {
      guard let equals = entry.firstIndex(of: "=") else {
        throw AttachError("'\(entry)': expected KEY=VALUE, of \(Self.keys)")
      }
      var value = entry[entry.index(after: equals)...]
      if value.hasPrefix("["), value.hasSuffix("]") { value = value.dropFirst().dropLast() }
      try set(entry[..<equals], String(value))
    }
  }

  private mutating func set(_ key: Substring, _ value: String) throws(AttachError) {
    guard !value.isEmpty else { throw AttachError("\(key)= without a value") }
    switch key {
    case "profile": profile = value
    case "profiles": profiles = value
    case "wire": wire = try Self.wire(value)
    case "vfs":
      guard let count = Int(value), 0...Self.mostFunctions ~= count else {
        throw AttachError("vfs=\(value): expected 0 to \(Self.mostFunctions)")
      }
      virtualFunctions = count
    case "rules":
      guard let count = Int(value), 64...1 << 23 ~= count else {
        throw AttachError("rules=\(value): expected 64 to \(1 << 23)")
      }
      rules = count
    case "faults":
      do { faults = try FaultPlan(words: value) } catch { throw AttachError("faults=\(value): \(error.sentence)") }
    case "remove":
      guard let number = UInt64(value), number > 0 else {
        throw AttachError("remove=\(value): expected a frame, from 1")
      }
      removeAt = number
    case "seed":
      guard let number = UInt64(value) else { throw AttachError("seed=\(value): expected a number") }
      seed = number
    default: throw AttachError("no key is called '\(key)' (there are \(Self.keys))")
    }
  }

  private static func wire(_ value: String) throws(AttachError) -> WireKind {
    let parts = value.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    let isNamed = parts.count > 1 && !parts[1].isEmpty
    switch (parts[0], parts.count) {
    case ("loopback", 1): return .loopback
    case ("shm", 2) where isNamed && !parts[1].contains("/"): return .sharedMemory(parts[1])
    case ("tap", 2) where isNamed && parts[1].utf8.count < 16: return .tap(parts[1])
    case ("pcap", 2) where isNamed: return .capture(input: parts[1], output: nil)
    case ("pcap", 3) where isNamed && !parts[2].isEmpty: return .capture(input: parts[1], output: parts[2])
    default: throw AttachError("wire=\(value): expected loopback, shm:NAME, tap:NAME or pcap:IN[:OUT]")
    }
  }

  /// The parts between commas that stand outside of brackets.
  private static func entries(_ text: String) throws(AttachError) -> [String] {
    var entries = [""]
    var depth = 0
    for character in text {
      if character == "[" { depth += 1 }
      if character == "]" { depth -= 1 }
      guard depth >= 0 else { break }
      if character == ",", depth == 0 { entries.append("") } else { entries[entries.count - 1].append(character) }
    }
    guard depth == 0 else { throw AttachError("'\(text)': the brackets do not match") }
    return entries.filter { !$0.isEmpty }
  }
}

/// Why there is no device, in words.
struct AttachError: Error, Equatable {
  let sentence: String
  init(_ sentence: String) { self.sentence = sentence }
}
