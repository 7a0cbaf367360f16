import Device

/// Looks at a host for what a dpud needs.
public struct Doctor {
  let host: any HostReader
  let configuration: Configuration?
  private(set) var findings: [Finding] = []

  /// All findings of a host; with a configuration what it asks for is asked for here, too.
  public static func examine(_ host: any HostReader, for configuration: Configuration? = nil) -> [Finding] {
    var doctor = Doctor(host: host, configuration: configuration)
    doctor.lookAtHost()
    doctor.lookAtPorts()
    doctor.lookAtDPDK()
    doctor.lookAtMlx5()
    return doctor.findings
  }

  private init(host: any HostReader, configuration: Configuration?) {
    self.host = host
    self.configuration = configuration
  }

  /// Adds a finding about the host.
  mutating func note(
    _ name: String, _ state: Finding.State, found: String, wanted: String, why: String, mend: String? = nil
  ) {
    note(name, "", state, found: found, wanted: wanted, why: why, mend: mend)
  }

  /// Adds a finding; `mend` is only told when the state is not ok.
  mutating func note(
    _ name: String, _ subject: String, _ state: Finding.State, found: String, wanted: String, why: String,
    mend: String? = nil
  ) {
    findings.append(
      Finding(
        name: name, subject: subject, state: state, found: found, wanted: wanted, why: why,
        mend: state == .ok ? nil : mend))
  }

  /// The first line of a file, without blanks.
  func line(_ path: String) -> String? {
    host.text(path).map { text in
      let line = text.split(separator: "\n", omittingEmptySubsequences: false).first ?? ""
      return String(line.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
  }

  func number(_ path: String) -> Int? { line(path).flatMap { Int($0) } }

  /// The word behind `name` in a file of lines `name: word`.
  func value(_ name: String, in path: String) -> String? {
    for line in (host.text(path) ?? "").split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2, parts[0].split(whereSeparator: { $0 == " " || $0 == "\t" }).first.map(String.init) == name
      else { continue }
      return parts[1].split(whereSeparator: { $0 == " " || $0 == "\t" }).first.map(String.init)
    }
    return nil
  }

  /// The soft limit of this name in /proc/self/limits; nil when it is unlimited, or not there.
  func limit(_ name: String) -> (soft: Int?, isKnown: Bool) {
    for line in (host.text("/proc/self/limits") ?? "").split(separator: "\n") where line.hasPrefix(name) {
      let words = line.dropFirst(name.count).split(separator: " ")
      guard let soft = words.first else { return (nil, false) }
      return (Int(soft), true)
    }
    return (nil, false)
  }

  /// The numbers of `0-3,8`.
  static func numbers(_ text: String) -> Set<Int> {
    var numbers: Set<Int> = []
    for part in text.split(separator: ",") {
      let ends = part.split(separator: "-").compactMap { Int($0) }
      guard let first = ends.first, let last = ends.last, first <= last, last < 1 << 16 else { continue }
      numbers.formUnion(first...last)
    }
    return numbers
  }
}
