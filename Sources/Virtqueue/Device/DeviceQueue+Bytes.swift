import CShim
public import Memory

// The bytes of chains.
extension DeviceQueue {
  /// Copies `count` bytes out of what is to be read, from `skip` on. The caller has compared with the chain's bytes.
  func copyOut(_ chain: Chain, skip: Int, count: Int, to target: UnsafeMutableRawPointer) {
    var skip = skip
    var done = 0
    for index in Int(chain.first)..<Int(chain.first &+ chain.readable) where done < count {
      let segment = segments[index]
      let here = Int(segment.count)
      if skip >= here {
        skip &-= here
        continue
      }
      let part = min(here &- skip, count &- done)
      unsafe dpu_copy_once(target + done, segment.host + skip, part)
      done &+= part
      skip = 0
    }
  }

  /// Copies `count` bytes into what is to be written, from `skip` on. The caller has compared with the chain's bytes.
  func copyIn(_ chain: Chain, skip: Int, from source: UnsafeMutableRawPointer, count: Int) {
    var skip = skip
    var done = 0
    for index in Int(chain.first &+ chain.readable)..<Int(chain.first &+ chain.count) where done < count {
      let segment = segments[index]
      let here = Int(segment.count)
      if skip >= here {
        skip &-= here
        continue
      }
      let part = min(here &- skip, count &- done)
      unsafe dpu_copy_once(segment.host + skip, source + done, part)
      if let dirty { dirty.mark(segment.guest &+ UInt64(skip), part) }
      done &+= part
      skip = 0
    }
  }

  /// Takes one chain, to be read and written through ``read(_:at:)`` and ``write(_:at:)`` and ended by
  /// ``finish(written:)``.
  ///
  /// - Returns: how many bytes are to be read and how many may be written; nil when no chain is there, or ``fault``.
  public mutating func takeChain() -> (readable: Int, writable: Int)? {
    guard gather(1) == 1 else { return nil }
    return (chains[0].readableBytes, chains[0].writableBytes)
  }

  /// Copies bytes of the taken chain, from `offset` of what is to be read on, until `target` is full or the chain ends.
  ///
  /// - Returns: how many came.
  public mutating func read(_ target: Bytes, at offset: Int = 0) -> Int {
    guard chainCount == 1, offset >= 0, offset < chains[0].readableBytes else { return 0 }
    let count = min(target.count, chains[0].readableBytes - offset)
    unsafe copyOut(chains[0], skip: offset, count: count, to: target.unsafeBase)
    return checkMemory() ? count : 0
  }

  /// Copies `source` into the taken chain, from `offset` of what may be written on, until it ends.
  ///
  /// - Returns: how many bytes went.
  public mutating func write(_ source: Bytes, at offset: Int = 0) -> Int {
    guard chainCount == 1, offset >= 0, offset < chains[0].writableBytes else { return 0 }
    let count = min(source.count, chains[0].writableBytes - offset)
    unsafe copyIn(chains[0], skip: offset, from: source.unsafeBase, count: count)
    return checkMemory() ? count : 0
  }

  /// Gives the taken chain back; `written` bytes of it were written from the first on.
  public mutating func finish(written: Int) {
    guard chainCount == 1, fault == nil else { return }
    let chain = chains[0]
    if inflight != nil { inflight?.taken(chain.id, chain.slots) }
    counters.frames &+= 1
    counters.bytes &+= UInt64(truncatingIfNeeded: chain.readableBytes)
    complete(chain, written: min(written, chain.writableBytes))
    chainCount = 0
    publish()
  }

  /// Puts the taken chain back: the next ``takeChain()`` gives it again.
  public mutating func putTakenBack() {
    guard chainCount == 1, fault == nil else { return }
    putBack(from: 0)
  }
}
