import Testing

@testable import Wire

/// The safe twin: one word at a time over an array, carries added in at once.
private func twin(_ bytes: [UInt8]) -> UInt16 {
  var sum: UInt32 = 0
  for at in stride(from: 0, to: bytes.count, by: 2) {
    sum += UInt32(bytes[at]) << 8 | (at + 1 < bytes.count ? UInt32(bytes[at + 1]) : 0)
    sum = (sum & 0xffff) + (sum >> 16)
  }
  return UInt16(sum)
}

@Suite("Internet checksum")
struct ChecksumTests {
  @Test("The kernel and its safe twin agree on every length to 600 and every misalignment to 15")
  func kernel() {
    var random = Seeded(1)
    for length in 0...600 {
      let bytes = random.bytes(length + 16)
      for shift in [0, 1, 2, 3, 5, 7, 8, 11, 15] {
        let slice = Array(bytes[shift..<shift + length])
        #expect(bytes.sum(from: shift, count: length) == twin(slice))
      }
    }
  }

  @Test("Both kernels, the portable and the machine's widest, give the twin's sum on long runs")
  func kernels() {
    var random = Seeded(6)
    for length in [256, 257, 287, 288, 300, 511, 1500, 1501, 9000] {
      let bytes = random.bytes(length)
      unsafe bytes.withUnsafeBytes { buffer in
        guard let base = buffer.baseAddress else { return }
        let portable = unsafe InternetChecksum.fold(ByteSum.short(base, from: 0, count: length))
        let wide = unsafe InternetChecksum.fold(ByteSum.long(base, count: length))
        #expect(UInt16(bigEndian: portable) == twin(bytes))
        #expect(UInt16(bigEndian: wide) == twin(bytes))
      }
    }
  }

  @Test("Folding is the ones-complement sum of the parts: 0 only of 0")
  func fold() {
    for value in [0, 1, 0xffff, 0x1_0000, 0xffff_ffff, 0x1_0000_0000, 0xffff_ffff_0000_0001, UInt64.max, 1 << 63] {
      let expected = value == 0 ? 0 : value % 0xffff == 0 ? 0xffff : value % 0xffff
      #expect(UInt64(InternetChecksum.fold(value)) == expected)
    }
  }

  @Test(
    "Carries are never lost: all bytes 0xff, and all bytes 0", arguments: [1, 2, 7, 8, 63, 64, 65, 1500, 9000, 65535])
  func extremes(length: Int) {
    let ones = [UInt8](repeating: 0xff, count: length)
    #expect(ones.sum() == twin(ones))
    let zeros = [UInt8](repeating: 0, count: length)
    #expect(zeros.sum() == 0)
  }

  @Test("RFC 1624 section 4: the update gives 0x0000 where equation 2 gives 0xffff")
  func minusZero() {
    #expect(InternetChecksum.update16(0xdd2f, old: 0x5555, new: 0x3285) == 0x0000)
    #expect(InternetChecksum.updateUDP(0xdd2f, old: 0x5555, new: 0x3285) == 0xffff)
    #expect(InternetChecksum.updateUDP(0, old: 0x5555, new: 0x3285) == 0)
  }

  @Test("An update gives what a whole computation gives, at even and odd offsets, 2, 4 and 16 bytes wide")
  func incremental() {
    var random = Seeded(2)
    for _ in 0..<4000 {
      var bytes = random.bytes(64)
      bytes[0] = 0x45
      let before = bytes.checksum
      let width = [2, 4, 16].randomElement(using: &random) ?? 2
      let offset = Int.random(in: 1...(64 - width), using: &random)
      let old = Array(bytes[offset..<offset + width])
      let new = random.bytes(width)
      let updated = InternetChecksum.update(before, old: old.span.octets, new: new.span.octets, offset: offset)
      bytes.replaceSubrange(offset..<offset + width, with: new)
      let after = bytes.checksum
      #expect(updated == after)
      if offset & 1 == 0, width == 4 {
        let word = { (b: [UInt8]) in b.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } }
        #expect(InternetChecksum.update32(before, old: word(old), new: word(new)) == after)
      }
    }
  }

  @Test("Parts sum to the whole, cut anywhere")
  func combine() {
    var random = Seeded(3)
    let bytes = random.bytes(301)
    for cut in 0...301 {
      let left = bytes.sum(count: cut)
      let right = bytes.sum(from: cut)
      #expect(InternetChecksum.combine(left, right, leftCount: cut) == twin(bytes))
    }
  }

  @Test("Pseudo-headers are the sums of their bytes")
  func pseudo() {
    var random = Seeded(4)
    for _ in 0..<500 {
      let source = UInt32.random(in: .min ... .max, using: &random)
      let destination = UInt32.random(in: .min ... .max, using: &random)
      let four = bigEndian(source) + bigEndian(destination) + [0, 17, 0x12, 0x34]
      #expect(InternetChecksum.pseudoHeader(ipv4: source, destination, proto: 17, length: 0x1234) == twin(four))
      let wide = UInt128.random(in: .min ... .max, using: &random)
      let wider = UInt128.random(in: .min ... .max, using: &random)
      let six = bigEndian(wide) + bigEndian(wider) + [0, 1, 0x12, 0x34, 0, 0, 0, 6]
      #expect(InternetChecksum.pseudoHeader(ipv6: wide, wider, proto: 6, length: 0x11234) == twin(six))
    }
  }

  @Test("The outer checksum from the inner debt is that of the finished frame, payload unread")
  func localOffload() {
    var random = Seeded(5)
    for _ in 0..<500 {
      // Outer UDP and tunnel header (22 bytes), then an inner TCP segment whose field at 16 owes its checksum.
      var frame = random.bytes(22 + 20 + Int.random(in: 0...99, using: &random))
      frame[6] = 0
      frame[7] = 0
      let innerPseudo = UInt16.random(in: 1...0xfffe, using: &random)
      frame[38] = UInt8(innerPseudo >> 8)
      frame[39] = UInt8(innerPseudo & 255)
      let pseudo = UInt16.random(in: .min ... .max, using: &random)
      let headers = frame.sum(count: 22)
      let fromInner = InternetChecksum.outerFromInner(headers: headers, pseudo: pseudo, owedField: innerPseudo)
      let paid = ~twin(Array(frame[22...]))
      frame[38] = UInt8(paid >> 8)
      frame[39] = UInt8(paid & 255)
      let whole = InternetChecksum.finishUDP(InternetChecksum.add(twin(frame), pseudo))
      #expect(fromInner == whole)
    }
  }

  private func bigEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    stride(from: T.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> T($0)) }
  }
}
