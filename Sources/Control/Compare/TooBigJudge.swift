/// Judges the answer to a packet that is too big: RFC 792, RFC 1191, RFC 4443 section 3.2, RFC 1122 section 3.2.2.
enum TooBigJudge {
  /// Whether an answer about the packet at `l3` is allowed; nil when that is not looked into.
  static func mayBeAnswered(_ frame: [UInt8], _ l3: Int) -> Bool? {
    guard frame[0] & 1 == 0, frame[6] & 1 == 0 else { return false }
    if frame[l3] >> 4 == 6 {
      let source = frame[l3 + 8..<l3 + 24], destination = frame[l3 + 24..<l3 + 40]
      guard isHost(source), isHost(destination) else { return false }
      switch frame[l3 + 6] {
      case 0, 43, 44, 51, 60: return nil
      case 58: return l3 + 40 < frame.count ? frame[l3 + 40] >= 128 && frame[l3 + 40] != 137 : nil
      default: return true
      }
    }
    guard frame[l3 + 6] & 0x1f | frame[l3 + 7] == 0 else { return false }
    for top in [frame[l3 + 12], frame[l3 + 16]] where top == 0 || top == 127 || top >= 224 { return false }
    let body = l3 + Int(frame[l3] & 15) * 4
    // Destination unreachable, source quench, redirect, time exceeded, parameter problem.
    if frame[l3 + 9] == 1, body < frame.count { return ![3, 4, 5, 11, 12].contains(frame[body]) }
    return true
  }

  /// Neither unspecified, loopback nor multicast (RFC 4443 section 2.4 e).
  private static func isHost(_ address: ArraySlice<UInt8>) -> Bool {
    guard let first = address.first, let last = address.last else { return false }
    return first != 0xff && !(address.dropLast().allSatisfy { $0 == 0 } && last <= 1)
  }

  /// What is wrong with an answer; nil when nothing is. What S1 leaves open (TOS, TTL, identification) is not looked at,
  /// nor, of a frame that `owes` its checksum, what is quoted of that.
  static func fault(of answer: [UInt8], about frame: [UInt8], _ l3: Int, mtu: Int, owes: Bool = false) -> String? {
    let isIPv6 = frame[l3] >> 4 == 6
    let header = isIPv6 ? 40 : 20
    guard answer.count >= l3 + header + 8 else { return "the answer is too short" }
    guard answer[0..<6] == frame[6..<12], answer[6..<12] == frame[0..<6], answer[12..<l3] == frame[12..<l3] else {
      return "the answer does not go back to its sender's address"
    }
    let isWhole =
      isIPv6
      ? answer[l3] >> 4 == 6 && word(answer, l3 + 4) == answer.count - l3 - 40 && answer[l3 + 6] == 58
      : answer[l3] == 0x45 && word(answer, l3 + 2) == answer.count - l3 && answer[l3 + 9] == 1
    guard isWhole else { return "the answer is no whole ICMP message" }
    guard ChecksumJudge.isRight(answer) else { return "a checksum of the answer is wrong" }
    let size = isIPv6 ? 16 : 4, source = l3 + (isIPv6 ? 8 : 12), destination = source + size
    guard answer[source..<destination] == frame[destination..<destination + size],
      answer[destination..<destination + size] == frame[source..<destination]
    else { return "the answer is not from the address that the frame was sent to" }
    let total = isIPv6 ? 40 + word(frame, l3 + 4) : word(frame, l3 + 2)
    let quoted = min(total, (isIPv6 ? 1280 : 576) - header - 8)
    let icmp = l3 + header
    guard answer.count == icmp + 8 + quoted else { return "the answer does not quote as much of the packet as fits" }
    var quote = Array(answer[(icmp + 8)...]), packet = Array(frame[l3..<l3 + quoted])
    let isChained = isIPv6 && [0, 43, 44, 51, 60].contains(packet[6])
    if owes, isChained { return nil }
    if owes {
      let body = isIPv6 ? 40 : Int(packet[0] & 15) * 4
      for at in [body + 6, body + 16] where at + 2 <= quoted {
        set(&quote, at, 0)
        set(&packet, at, 0)
      }
    }
    guard quote == packet else { return "the answer quotes another packet" }
    let wanted: [UInt8] = isIPv6 ? [2, 0] : [3, 4]
    guard Array(answer[icmp..<icmp + 2]) == wanted, word(answer, icmp + 6) == mtu, word(answer, icmp + 4) == 0 else {
      return "the answer does not say 'too big' and the MTU \(mtu)"
    }
    return nil
  }

  private static func word(_ bytes: [UInt8], _ at: Int) -> Int { Int(bytes[at]) << 8 | Int(bytes[at + 1]) }
}
