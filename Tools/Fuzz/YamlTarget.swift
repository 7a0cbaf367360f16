@testable import Control
import Device
import Rules

/// libFuzzer's door: the first byte says what the rest is read as, a configuration, a device's profile, or any value.
@_cdecl("LLVMFuzzerTestOneInput")
public func yamlTarget(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard count > 0 else { return 0 }
  let kind = unsafe data[0]
  let text = unsafe String(decoding: UnsafeBufferPointer(start: data + 1, count: count - 1), as: UTF8.self)
  // A line ends with LF, CR, both, NEL, or one of Unicode's separators (YAML 1.1).
  let lines = 2 + text.unicodeScalars.filter { [0x0a, 0x0d, 0x85, 0x2028, 0x2029].contains($0.value) }.count
  do throws(YAMLError) {
    switch kind & 3 {
    case 0: profiles(try ProfileReader.read(text, file: "input"))
    case 1: walk(try YAMLValue.parse(text, file: "input"), lines)
    default: configuration(try Configuration.read(text, file: "input") { _ in Text.rules })
    }
  } catch {
    complain(error, lines)
  }
  return 0
}

private enum Text {
  static let rules = "flow create 0 transfer pattern eth / end actions drop / end\n"
}

/// An error has words, and a place that is in the text.
private func complain(_ error: YAMLError, _ lines: Int) {
  precondition(!error.message.isEmpty && !error.file.isEmpty, "an error without words")
  precondition((0...lines).contains(error.line) && error.column >= 0, "an error outside of the text: \(error)")
}

/// What was read holds what the rest of the program relies on.
private func configuration(_ read: Configuration) {
  precondition(Set(read.ports.map(\.port.id)).count == read.ports.count, "two ports of one number")
  precondition(Set(read.ports.map(\.name)).count == read.ports.count, "two ports of one name")
  precondition(read.ports.map(\.port) == read.overlay.ports, "the overlay has other ports")
  precondition(Set(read.rules.map(\.id)).count == read.rules.count, "two rules of one number")
  precondition((1...64).contains(read.live.threads) && read.live.rules > 0 && read.live.buffers > 0)
  for (_, encapsulation) in read.overlay.encapsulations {
    precondition(encapsulation.l3 <= encapsulation.l4 && encapsulation.l4 <= encapsulation.header.count)
  }
}

private func profiles(_ read: [DeviceProfile]) {
  precondition(!read.isEmpty, "a document without a profile")
  for profile in read {
    precondition(!profile.name.isEmpty && !profile.summary.isEmpty)
    for limit in DeviceLimit.allCases where !limit.isSwitch {
      precondition(profile.abilities.value(of: limit) <= Abilities.largest(limit), "\(limit) is too large")
    }
  }
}

/// Every way of reading every value gives it, or an error with its place.
private func walk(_ value: YAMLValue, _ lines: Int) {
  func ask(_ body: () throws(YAMLError) -> Void) {
    do throws(YAMLError) { try body() } catch { complain(error, lines) }
  }
  ask { () throws(YAMLError) in _ = try value.string() }
  ask { () throws(YAMLError) in
    let number = try value.integer(-5...70_000)
    precondition((-5...70_000).contains(number), "a number outside of its range")
  }
  ask { () throws(YAMLError) in _ = try value.bool() }
  ask { () throws(YAMLError) in _ = try value.choice([("a", 1), ("b", 2)]) }
  ask { () throws(YAMLError) in for inner in try value.list() { walk(inner, lines) } }
  ask { () throws(YAMLError) in
    var map = try value.map()
    for (_, inner) in map.values { walk(inner, lines) }
    _ = map.optional("version")
    try map.finish()
  }
}
