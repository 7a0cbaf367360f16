import Device
import Rules

/// Whether a header template is one the device understands and can put in front.
struct TemplateChecks {
  let template: Encapsulation
  let abilities: Abilities
  let index: Int
  private var header: [UInt8] { template.header }

  init(_ template: Encapsulation, _ abilities: Abilities, index: Int) {
    self.template = template
    self.abilities = abilities
    self.index = index
  }

  private func refusal(_ reason: RefusalReason, limit: Int = -1, wanted: Int = -1) -> Refusal {
    Refusal(reason, index: index, isAction: true, limit: limit, wanted: wanted)
  }

  private func u16(_ at: Int) -> Int { Int(header[at]) << 8 | Int(header[at + 1]) }

  /// Passes, or gives the first reason in V6's order. `pinnedECN` is what the rule's match says about the ECN of the
  /// packet to be carried, when it says all of it: the same bits in the template need no copying.
  func check(pinnedECN: UInt8?) throws(Refusal) {
    let ability: ActionAbilities =
      switch template.kind {
      case .none: .encapEthernet
      case .geneve: .encapGeneve
      case .vxlan: .encapVXLAN
      case .gre: .encapGRE
      case .nvgre: .encapNVGRE
      }
    guard abilities.actions.contains(ability) else { throw refusal(.actionUnsupported) }
    guard header.count <= Int(abilities.largestHeader) else {
      throw refusal(.headerTooLarge, limit: Int(abilities.largestHeader), wanted: header.count)
    }
    try checkForm()
    if template.kind != .none { try checkFields(pinnedECN: pinnedECN) }
  }

  /// Lengths, types and protocols of the headers agree with each other.
  private func checkForm() throws(Refusal) {
    let bad = refusal(.templateMalformed)
    guard header.count >= 14, header.count <= 416 else { throw bad }
    var l3 = 14
    while l3 < 22, Layers.isTPID(UInt16(u16(l3 - 2))), l3 + 4 <= header.count { l3 += 4 }
    guard template.kind != .none else {
      guard header.count == l3 else { throw bad }
      return
    }
    let ipLength = template.isIPv6 ? 40 : 20
    guard template.l3 == l3, header.count >= l3 + ipLength, u16(l3 - 2) == (template.isIPv6 ? 0x86dd : 0x0800)
    else { throw bad }
    let proto: UInt8
    if template.isIPv6 {
      guard header[l3] >> 4 == 6, template.l4 == l3 + 40 else { throw bad }
      proto = header[l3 + 6]
    } else {
      guard header[l3] >> 4 == 4, header[l3] & 15 >= 5, template.l4 == l3 + Int(header[l3] & 15) * 4 else { throw bad }
      proto = header[l3 + 9]
    }
    let isUDP = template.kind == .geneve || template.kind == .vxlan
    guard proto == (isUDP ? 17 : 47), header.count >= template.l4 + (isUDP ? 16 : 4) else { throw bad }
    switch template.kind {
    case .none: return
    case .geneve: try checkGeneve(template.l4 + 8, bad)
    case .vxlan: guard header.count == template.l4 + 16 else { throw bad }
    case .gre, .nvgre: try checkGRE(template.l4, bad)
    }
  }

  private func isProtocol(_ type: Int) -> Bool { type == 0x6558 || type == 0x0800 || type == 0x86dd }

  /// An option length of 0 with options behind it is what testpmd writes; the device fills it in.
  private func checkGeneve(_ at: Int, _ bad: Refusal) throws(Refusal) {
    guard header[at] >> 6 == 0, isProtocol(u16(at + 2)) else { throw bad }
    var option = at + 8
    while option < header.count {
      guard option + 4 <= header.count else { throw bad }
      option += 4 + Int(header[option + 3] & 0x1f) * 4
    }
    let words = (header.count - at - 8) / 4
    guard option == header.count, words <= 63 else { throw bad }
  }

  private func checkGRE(_ at: Int, _ bad: Refusal) throws(Refusal) {
    let flags = u16(at)
    var length = 4
    for bit in [0x8000, 0x2000, 0x1000] where flags & bit != 0 { length += 4 }
    guard flags & 0x4fff == 0, header.count == at + length, isProtocol(u16(at + 2)) else { throw bad }
    if template.kind == .nvgre, flags != 0x2000 || u16(at + 2) != 0x6558 { throw bad }
  }

  /// The fields that depend on the frame.
  private func checkFields(pinnedECN: UInt8?) throws(Refusal) {
    let l3 = template.l3
    let policy = template.policy
    let frame = abilities.frame
    if policy.ttl == .fixed, header[l3 + (template.isIPv6 ? 7 : 8)] == 0 { throw refusal(.templateTTL) }
    if template.kind == .geneve {
      let words = (header.count - template.l4 - 16) / 4
      let said = Int(header[template.l4 + 8] & 0x3f)
      guard said == 0 || said == words else { throw refusal(.templateOptionLength, limit: words, wanted: said) }
    }
    let trafficClass = template.isIPv6 ? UInt8(truncatingIfNeeded: u16(l3) >> 4) : header[l3 + 1]
    if policy.ecn == .copy, !frame.contains(.ecnCopy), pinnedECN != trafficClass & 3 { throw refusal(.ecnCopy) }
    if policy.dscp == .copy, !frame.contains(.dscpCopy) { throw refusal(.dscpCopy) }
    if policy.ttl == .copy, !frame.contains(.ttlCopy) { throw refusal(.ttlCopy) }
    if policy.df == .copy, !template.isIPv6, !frame.contains(.dfCopy) { throw refusal(.dfCopy) }
    if template.kind == .geneve || template.kind == .vxlan {
      let checksum: FrameAbilities = template.isIPv6 ? .udpChecksumIPv6 : .udpChecksumIPv4
      if policy.udpChecksum == .on, !frame.contains(checksum) { throw refusal(.outerUDPChecksum) }
      if u16(template.l4) == 0, !frame.contains(.entropy) { throw refusal(.entropy) }
    }
    guard frame.contains(.fixesLengths) else { throw refusal(.fixesLengths) }
  }
}
