import CShim
import Memory

// Giving chains back, and telling each other about it.
extension DeviceQueue {
  /// Gives a chain back: seen by the driver after ``publish()``.
  @inline(__always)
  mutating func complete(_ chain: Chain, written: Int) {
    if inflight != nil { inflight?.completing(chain.id) }
    if isPacked {
      var flags: UInt64 = usedWrap ? UInt64(DescriptorFlag.available | DescriptorFlag.used) : 0
      if written > 0 { flags |= UInt64(DescriptorFlag.write) }
      let word = UInt64(UInt32(truncatingIfNeeded: written)) | UInt64(chain.id) << 32 | flags << 48
      let position = used
      let following = Int(used) &+ Int(chain.slots)
      if following >= size {
        used = UInt16(truncatingIfNeeded: following &- size)
        usedWrap.toggle()
      } else {
        used = UInt16(truncatingIfNeeded: following)
      }
      let place = unsafe table + (16 &* Int(position) &+ 8)
      if inflight != nil {
        inflight?.overwriting(
          unsafe load64(place), at: position, slots: chain.slots, following: used, wrap: usedWrap)
      }
      if unpublished == 0 {
        firstUsed = position
        firstWord = word
      } else {
        unsafe store64(word, place)
      }
      if let dirty { dirty.mark(tableGuest(Int(position)), 16) }
      unpublished &+= chain.slots
    } else {
      let place = unsafe device + 4 + 8 &* (Int(used) & (size &- 1))
      unsafe store32(UInt32(chain.id), place)
      unsafe store32(UInt32(truncatingIfNeeded: written), place + 4)
      if let dirty, let deviceGuest { dirty.mark(deviceGuest &+ 4 &+ 8 &* UInt64(Int(used) & (size &- 1)), 8) }
      used &+= 1
      unpublished &+= 1
    }
  }

  /// Shows the driver everything that was given back.
  @inline(__always)
  mutating func publish() {
    guard unpublished != 0 else { return }
    if isPacked {
      unsafe release64(firstWord, table + (16 &* Int(firstUsed) &+ 8))
    } else {
      unsafe release16(used, device + 2)
      if let dirty, let deviceGuest { dirty.mark(deviceGuest &+ 2, 2) }
    }
    if inflight != nil { inflight?.completed(used: used, wrap: usedWrap) }
    uncalled &+= unpublished
    unpublished = 0
  }

  // A packed ring's used descriptors lie in the table itself; `deviceGuest` is then the table's address.
  private func tableGuest(_ slot: Int) -> UInt64 { (deviceGuest ?? 0) &+ 16 &* UInt64(slot) }

  /// Whether the driver wants to be called for what was given back since the last question. Ask once a burst.
  public mutating func needsCall() -> Bool {
    guard uncalled != 0, fault == nil else { return false }
    let count = uncalled
    uncalled = 0
    // What was published must be seen before what the driver wants is read.
    fullFence()
    if isPacked {
      let event = unsafe load32(driver)
      switch UInt16(truncatingIfNeeded: event >> 16) & 3 {
      case EventFlag.disable: return false
      case EventFlag.atDescriptor where byIndex:
        return passesPacked(
          event: UInt16(truncatingIfNeeded: event), new: used, wrap: usedWrap, count: count,
          size: UInt16(truncatingIfNeeded: size))
      default: return true
      }
    }
    if byIndex {
      let event = unsafe load16(driver + 4 + 2 &* size)
      return passes(event: event, new: used, old: used &- count)
    }
    return unsafe load16(driver) & 1 == 0
  }

  /// Asks the driver not to kick: this side polls.
  public mutating func suppressKicks() {
    if isPacked {
      unsafe store32(UInt32(EventFlag.disable) << 16, device)
    } else if byIndex {
      // An index that has just been passed is passed again 65,535 chains later.
      unsafe store16(next &- 1, device + 4 + 8 &* size)
    } else {
      unsafe store16(1, device)
    }
  }

  /// Asks the driver to kick when it makes something available, and looks once more.
  ///
  /// - Returns: true when nothing is there and it is safe to sleep; false when work came meanwhile.
  public mutating func requestKicks() -> Bool {
    if isPacked {
      let event = UInt32(next) | (nextWrap ? 0x8000 : 0)
      unsafe store32(byIndex ? UInt32(EventFlag.atDescriptor) << 16 | event : 0, device)
    } else if byIndex {
      unsafe store16(next, device + 4 + 8 &* size)
    } else {
      unsafe store16(0, device)
    }
    fullFence()
    return !hasWork()
  }

  /// Whether a chain is available now; false when the peer is cut off.
  public mutating func hasWork() -> Bool {
    guard fault == nil else { return false }
    if isPacked {
      let flags = unsafe acquire16(table + (16 &* Int(next) &+ 14))
      return (flags & DescriptorFlag.available != 0) == nextWrap && (flags & DescriptorFlag.used != 0) != nextWrap
    }
    return unsafe acquire16(driver + 2) != next
  }
}
