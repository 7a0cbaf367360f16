import Classifier
import Rules

/// A million rules of 5-tuple, VNI and one Geneve option; keys by number.
struct ClassifierSubject: ~Copyable {
  var classifier: Classifier
  let template: RuleTemplate
  private let source: FieldPlace
  private let destination: FieldPlace
  private let ports: (FieldPlace, FieldPlace)
  private let vni: FieldPlace

  /// Words of a key that the rules look at, in the order in which ``words(_:)`` gives them.
  static let places = [0, 7, 12, 20, 21]

  init(limit: Int, readers: Int = 2) throws {
    var classifier = try Classifier(limit: limit, readers: readers)
    let template = try classifier.template(for: Self.rule)
    guard let source = template.field(.ipv4Source(.inner)), let destination = template.field(.ipv4Destination(.inner)),
      let first = template.field(.l4Source(.inner)), let second = template.field(.l4Destination(.inner)),
      let vni = template.field(.tunnelKey)
    else { throw ClassifierError.notATemplate }
    self.classifier = classifier
    self.template = template
    self.source = source
    self.destination = destination
    ports = (first, second)
    self.vni = vni
  }

  static var rule: Rule {
    var geneve = GeneveItem()
    geneve.vni = Field(0, mask: 0xff_ffff)
    var ip = IPv4Item()
    ip.src = Field(0)
    ip.dst = Field(0)
    var tcp = TCPItem()
    tcp.src = Field(0)
    tcp.dst = Field(0)
    let option = GeneveOptionItem(optionClass: 0x102, type: 0, length: 1, data: [0x0102_0304], mask: [.max])
    return Rule(
      pattern: [
        .eth(EthItem()), .ipv4(IPv4Item()), .udp(L4Item()), .geneve(geneve), .geneveOption(option), .eth(EthItem()),
        .ipv4(ip), .tcp(tcp),
      ], actions: [.count(id: 0), .drop])
  }

  /// Random fields of rule `number`, under `salt`.
  static func fields(_ number: Int, salt: UInt64) -> (addresses: UInt64, rest: UInt64) {
    var z = UInt64(number) &* 0x9e37_79b9_7f4a_7c15 &+ salt
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    let a = z ^ z >> 27
    return (a, (a &* 0x94d0_49bb_1331_11eb) ^ z >> 31)
  }

  /// The key's words for rule `number`.
  static func words(_ number: Int, salt: UInt64) -> [UInt64] {
    let (addresses, rest) = fields(number, salt: salt)
    let presence = FlowKey.Presence.self
    let outer = presence.ethernet | presence.ipv4 | presence.udp
    let inner = presence.ethernet | presence.ipv4 | presence.tcp
    let meta = outer << 16 | inner << 28 | presence.geneve | presence.option0
    return [
      meta, rest & 0xff_ffff, UInt64(UInt32(0x0102_0304).byteSwapped),
      UInt64(UInt32(truncatingIfNeeded: addresses >> 32).byteSwapped)
        | UInt64(UInt32(truncatingIfNeeded: addresses).byteSwapped) << 32,
      UInt64(UInt16(truncatingIfNeeded: rest >> 24).byteSwapped)
        | UInt64(UInt16(truncatingIfNeeded: rest >> 40).byteSwapped) << 16,
    ]
  }

  /// Adds rules `first..<first+count` in one transaction; ids are numbers plus one.
  mutating func add(first: Int, count: Int, salt: UInt64) throws {
    let (source, destination, ports, vni, template) = (source, destination, ports, vni, template)
    try classifier.transaction(now: 0) { change throws(ClassifierError) in
      try change.addBatch(template, count: count) { index, rule in
        let (addresses, rest) = Self.fields(first + index, salt: salt)
        rule.id = UInt32(truncatingIfNeeded: first + index + 1)
        rule.payload = UInt32(truncatingIfNeeded: index)
        rule.set(source, addresses >> 32)
        rule.set(destination, addresses & 0xffff_ffff)
        rule.set(ports.0, rest >> 24 & 0xffff)
        rule.set(ports.1, rest >> 40 & 0xffff)
        rule.set(vni, rest & 0xff_ffff)
      }
    }
  }
}

/// A subject that two threads hold, one at a time.
final class SubjectBox {
  var subject: ClassifierSubject
  private var next = 1 << 24

  init(_ subject: consuming ClassifierSubject) { self.subject = subject }

  /// Adds `count` rules and deletes those that the call before added.
  func change(count: Int) {
    let first = next
    next += count
    try? subject.add(first: first, count: count, salt: 7)
    guard first > 1 << 24 else { return }
    try? subject.classifier.transaction(now: 0) { change throws(ClassifierError) in
      for number in first - count..<first { try change.delete(UInt32(number + 1)) }
    }
  }
}
