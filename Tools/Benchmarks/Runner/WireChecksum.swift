import Wire

/// The Internet checksum against DPDK's, as gcc builds it.
let wireChecksumBench = Bench(
  name: "wire-checksum", what: "the Internet checksum against rte_raw_cksum and rte_ipv4_cksum by gcc"
) { options in
  guard let peers = Peers(),
    let batch = unsafe peers.function("wire_rte_raw_cksum_batch", as: RawBatch.self),
    let one = unsafe peers.function("wire_rte_raw_cksum", as: Raw.self),
    let header = unsafe peers.function("wire_rte_ipv4_cksum", as: Header.self)
  else {
    print("(not measured: no libpeers.so; run it as Tools/bench wire-checksum)")
    return
  }
  // Length, and how far the first byte is from a cache line's start.
  let shapes = [
    (64, 0), (128, 0), (256, 0), (512, 0), (1024, 0), (1500, 0), (9000, 0), (65535, 0), (65, 0), (129, 0), (257, 0),
    (513, 0), (1501, 0), (64, 1), (256, 1), (512, 2), (1500, 2), (1500, 14), (9000, 14),
  ]
  for (length, shift) in shapes {
    let field = SumField(length: length, shift: shift)
    let repeats = max(1, (options.quick ? 20_000 : 2_000_000) / (length * field.count))
    let variants = [
      Variant(name: "rte_raw_cksum, inlined by gcc") { for _ in 0..<repeats { unsafe field.c(batch) } },
      Variant(name: "Swift") { for _ in 0..<repeats { field.swift() } },
    ]
    let cycles = interleave(variants, operations: repeats * field.count, rounds: options.rounds)
    report("\(length) bytes, \(shift) off alignment", variants, cycles)
  }
  let field = SumField(length: 40, shift: 14)
  let repeats = options.quick ? 10 : 1000
  for (title, variants) in [
    (
      "a 20-byte header",
      [
        Variant(name: "a call of rte_ipv4_cksum") { for _ in 0..<repeats { unsafe field.calls(header) } },
        Variant(name: "Swift, inlined") { for _ in 0..<repeats { field.inlined20() } },
      ]
    ),
    (
      "a 40-byte header",
      [
        Variant(name: "a call of rte_raw_cksum") { for _ in 0..<repeats { unsafe field.calls40(one) } },
        Variant(name: "Swift, inlined") { for _ in 0..<repeats { field.inlined40() } },
      ]
    ),
  ] {
    report(title, variants, interleave(variants, operations: repeats * field.count, rounds: options.rounds))
  }
}

private typealias RawBatch = @convention(c) (UnsafePointer<UInt8>, Int, Int, Int) -> UInt64
private typealias Raw = @convention(c) (UnsafeRawPointer, Int) -> UInt16
private typealias Header = @convention(c) (UnsafeRawPointer) -> UInt16

/// Buffers of one length, all of them in the first-level cache where that is possible; they live as long as the process.
@safe private struct SumField {
  let base: UnsafeMutablePointer<UInt8>
  let length: Int
  let stride: Int
  let count: Int
  /// Keeps results alive.
  let sink = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)

  init(length: Int, shift: Int) {
    self.length = length
    stride = (length + shift + 63) & ~63
    count = max(1, min(64, 24_576 / stride))
    var random = WireFrames.Random(seed: UInt64(length))
    let memory = UnsafeMutableRawPointer.allocate(byteCount: stride * count + 64, alignment: 64)
    let bytes = unsafe memory.bindMemory(to: UInt8.self, capacity: stride * count + 64)
    for index in 0..<stride * count { unsafe bytes[index] = UInt8(truncatingIfNeeded: random.next()) }
    unsafe base = bytes + shift
    unsafe sink.pointee = 0
  }

  func swift() {
    var sum: UInt64 = 0
    for index in 0..<count {
      let bytes = unsafe RawSpan(_unsafeStart: base + index * stride, byteCount: length)
      sum &+= UInt64(InternetChecksum.sum(bytes))
    }
    unsafe sink.pointee &+= sum
  }

  func c(_ batch: RawBatch) { unsafe sink.pointee &+= batch(base, length, stride, count) }

  func inlined20() {
    var sum: UInt64 = 0
    for index in 0..<count {
      sum &+= UInt64(InternetChecksum.finish(unsafe InternetChecksum.sum(base + index * stride, count: 20)))
    }
    unsafe sink.pointee &+= sum
  }

  func inlined40() {
    var sum: UInt64 = 0
    for index in 0..<count { sum &+= UInt64(unsafe InternetChecksum.sum(base + index * stride, count: 40)) }
    unsafe sink.pointee &+= sum
  }

  func calls(_ header: Header) {
    var sum: UInt64 = 0
    for index in 0..<count { sum &+= UInt64(unsafe header(base + index * stride)) }
    unsafe sink.pointee &+= sum
  }

  func calls40(_ raw: Raw) {
    var sum: UInt64 = 0
    for index in 0..<count { sum &+= UInt64(unsafe raw(base + index * stride, 40)) }
    unsafe sink.pointee &+= sum
  }
}
