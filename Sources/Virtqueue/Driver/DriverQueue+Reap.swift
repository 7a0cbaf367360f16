import Memory

// Taking chains back.
extension DriverQueue {
  /// Takes back a chain that the device has used.
  ///
  /// - Returns: nil when there is none now, or the device is cut off (``fault``).
  @inline(__always)
  public mutating func reap() -> UsedChain? {
    guard fault == nil else { return nil }
    return isPacked ? reapPacked() : reapSplit()
  }

  @inline(__always)
  private mutating func reapSplit() -> UsedChain? {
    if seen == used {
      seen = unsafe acquire16(device + 2)
      if seen == used { return nil }
      if Int(seen &- used) > outstanding { return refuse(.usedIndexJumped) }
    }
    let place = unsafe device + 4 + 8 &* (Int(used) & (size &- 1))
    let id = unsafe load32(place)
    let written = unsafe load32(place + 4)
    guard let chain = end(id, written) else { return nil }
    used &+= 1
    // The chain's descriptors go to the front of the free list: its last one names itself.
    let head = UInt16(truncatingIfNeeded: id)
    var last = head
    for _ in 1..<max(2, Int(shadows[Int(head)].slots)) where shadows[Int(last)].next != last {
      last = shadows[Int(last)].next
    }
    shadows[Int(last)].next = freeHead
    freeHead = head
    free &+= Int(shadows[Int(head)].slots)
    shadows[Int(head)].slots = 0
    return chain
  }

  @inline(__always)
  private mutating func reapPacked() -> UsedChain? {
    let word = unsafe acquire64(table + (16 &* Int(used) &+ 8))
    let flags = UInt16(truncatingIfNeeded: word >> 48)
    guard (flags & DescriptorFlag.used != 0) == usedWrap, (flags & DescriptorFlag.available != 0) == usedWrap else {
      return nil
    }
    // Our own descriptor that is not yet shown has neither bit of this round.
    guard outstanding > 0 else { return refuse(.usedIndexJumped) }
    let id = UInt32(UInt16(truncatingIfNeeded: word >> 32))
    guard let chain = end(id, UInt32(truncatingIfNeeded: word)) else { return nil }
    let slots = shadows[Int(id)].slots
    shadows[Int(id)].next = freeHead
    shadows[Int(id)].slots = 0
    freeHead = UInt16(truncatingIfNeeded: id)
    free &+= Int(slots)
    let following = Int(used) &+ Int(slots)
    if following >= size {
      used = UInt16(truncatingIfNeeded: following &- size)
      usedWrap.toggle()
    } else {
      used = UInt16(truncatingIfNeeded: following)
    }
    return chain
  }

  /// Compares what the device says with what it was given.
  @inline(__always)
  private mutating func end(_ id: UInt32, _ written: UInt32) -> UsedChain? {
    guard Int(id) < size, shadows[Int(id)].slots > 0 else { return refuse(.usedNotOutstanding) }
    let shadow = shadows[Int(id)]
    // Devices exist that write a length for what they only read; nobody uses it.
    guard written <= shadow.writable || shadow.writable == 0 else { return refuse(.usedLengthTooLong) }
    outstanding &-= 1
    return UsedChain(token: shadow.token, written: min(written, shadow.writable))
  }

  @inline(never)
  private mutating func refuse(_ reason: RingFault) -> UsedChain? {
    if checkMemory() { fail(reason) }
    return nil
  }

  /// Asks the device not to call: this side polls.
  public mutating func suppressCalls() {
    if isPacked {
      unsafe store32(UInt32(EventFlag.disable) << 16, driver)
    } else if byIndex {
      unsafe store16(used &- 1, driver + 4 + 2 &* size)
    } else {
      unsafe store16(1, driver)
    }
  }

  /// Asks the device to call when it gives something back, and looks once more.
  ///
  /// - Returns: true when nothing is there and it is safe to sleep; false when something came meanwhile.
  public mutating func requestCalls() -> Bool {
    if isPacked {
      let event = UInt32(used) | (usedWrap ? 0x8000 : 0)
      unsafe store32(byIndex ? UInt32(EventFlag.atDescriptor) << 16 | event : 0, driver)
    } else if byIndex {
      unsafe store16(used, driver + 4 + 2 &* size)
    } else {
      unsafe store16(0, driver)
    }
    fullFence()
    return !hasUsed()
  }

  /// Whether the device has given something back that was not taken.
  public mutating func hasUsed() -> Bool {
    guard fault == nil else { return false }
    if isPacked {
      let flags = unsafe acquire16(table + (16 &* Int(used) &+ 14))
      return (flags & DescriptorFlag.used != 0) == usedWrap && (flags & DescriptorFlag.available != 0) == usedWrap
    }
    return unsafe acquire16(device + 2) != used
  }
}
