/// Judges the pieces that an IPv4 packet was cut into (RFC 791 section 2.3).
enum Fragments {
  /// What is wrong with frames that were cut from `frame`; nil when nothing is.
  static func fault(of pieces: [[UInt8]], cutFrom frame: [UInt8]) -> String? {
    guard let l3 = FlowIdentity.packet(in: frame), frame[l3] >> 4 == 4, frame[l3 + 6] & 0x40 == 0 else {
      return "was cut, and must not be"
    }
    let header = Int(frame[l3] & 15) * 4, end = l3 + word(frame, l3 + 2)
    let field = word(frame, l3 + 6)
    let options = Array(frame[l3 + 20..<l3 + header])
    var at = l3 + header
    for (index, piece) in pieces.enumerated() {
      guard piece.count >= l3 + 20, Array(piece[..<l3]) == Array(frame[..<l3]) else { return "a piece has another L2" }
      let own = Int(piece[l3] & 15) * 4, length = word(piece, l3 + 2)
      guard piece[l3] >> 4 == 4, own >= 20, length >= own, l3 + length <= piece.count else {
        return "a piece is no packet"
      }
      let wanted = index == 0 ? options : copied(options)
      guard Array(piece[l3 + 20..<l3 + own]) == wanted else { return "a piece has not the options it should have" }
      let isSame = [1, 4, 5, 8, 9, 12, 13, 14, 15, 16, 17, 18, 19].allSatisfy { piece[l3 + $0] == frame[l3 + $0] }
      guard isSame else { return "a piece has other fields than its packet" }
      guard sum(piece[l3..<l3 + own]) == sum(frame[l3..<l3 + header]) else { return "a piece's header checksum is off" }
      let isLast = index == pieces.count - 1
      let place = (field & 0x1fff) + (at - l3 - header) / 8
      let flags = field & 0x8000 | (isLast && field & 0x2000 == 0 ? 0 : 0x2000)
      guard word(piece, l3 + 6) == flags | place, (at - l3 - header) % 8 == 0 else {
        return "a piece does not say where it belongs and whether more follows"
      }
      let data = length - own
      guard at + data <= end, Array(piece[l3 + own..<l3 + length]) == Array(frame[at..<at + data]) else {
        return "a piece has other data than its packet"
      }
      at += data
    }
    return at == end ? nil : "the pieces are not the whole packet"
  }

  /// The options that every piece has, padded; what cannot be walked ends the list.
  private static func copied(_ options: [UInt8]) -> [UInt8] {
    var out: [UInt8] = []
    var at = 0
    while at < options.count, options[at] != 0 {
      if options[at] == 1 {
        at += 1
        continue
      }
      guard at + 1 < options.count, options[at + 1] >= 2, at + Int(options[at + 1]) <= options.count else { break }
      let length = Int(options[at + 1])
      if options[at] & 0x80 != 0 { out += options[at..<at + length] }
      at += length
    }
    return out + [UInt8](repeating: 0, count: (4 - out.count % 4) % 4)
  }

  private static func word(_ bytes: [UInt8], _ at: Int) -> Int { Int(bytes[at]) << 8 | Int(bytes[at + 1]) }
}
