import Device

extension DropCounters {
  /// Counts what the reassembler gave up.
  mutating func add(_ losses: Reassembler.Losses) {
    add(.fragmentOverlap, losses.overlap)
    add(.fragmentTimeout, losses.timeout)
    add(.fragmentMemory, losses.memory)
    add(.fragmentMalformed, losses.malformed)
    add(.ecnNotCapable, losses.ecn)
    add(.noBuffer, losses.buffer)
  }
}
