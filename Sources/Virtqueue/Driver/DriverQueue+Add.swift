public import Memory

// Handing chains to the device.
extension DriverQueue {
  /// Hands out a chain of one part. Seen by the device after ``publish()``.
  ///
  /// - Returns: false when the ring is full, or the device is cut off.
  @inline(__always)
  public mutating func add(_ part: BufferPart, token: UInt32) -> Bool {
    guard free > 0, fault == nil else { return false }
    let id = freeHead
    freeHead = shadows[Int(id)].next
    free &-= 1
    outstanding &+= 1
    shadows[Int(id)].token = token
    shadows[Int(id)].writable = part.isWritable ? part.length : 0
    shadows[Int(id)].slots = 1
    let flags: UInt16 = part.isWritable ? DescriptorFlag.write : 0
    if isPacked {
      putPacked(part, id: id, flags: flags)
    } else {
      shadows[Int(id)].next = id
      putSplit(part, at: id, flags: flags, next: 0)
      offer(id)
    }
    return true
  }

  /// Hands out a chain of several parts, those to read first. Seen by the device after ``publish()``.
  ///
  /// - Returns: false when there is no room for all of it, `parts` is empty, or the device is cut off.
  public mutating func add(_ parts: Span<BufferPart>, token: UInt32) -> Bool {
    guard !parts.isEmpty, parts.count <= free, fault == nil else { return false }
    let head = freeHead
    var writable: UInt64 = 0
    for index in 0..<parts.count where parts[index].isWritable { writable += UInt64(parts[index].length) }
    outstanding &+= 1
    if isPacked {
      freeHead = shadows[Int(head)].next
      free &-= parts.count
      for index in 0..<parts.count {
        var flags: UInt16 = parts[index].isWritable ? DescriptorFlag.write : 0
        if index + 1 < parts.count { flags |= DescriptorFlag.next }
        putPacked(parts[index], id: head, flags: flags)
      }
    } else {
      var id = head
      for index in 0..<parts.count {
        let following = shadows[Int(id)].next
        let isLast = index + 1 == parts.count
        var flags: UInt16 = parts[index].isWritable ? DescriptorFlag.write : 0
        if !isLast { flags |= DescriptorFlag.next }
        putSplit(parts[index], at: id, flags: flags, next: isLast ? 0 : following)
        free &-= 1
        if isLast {
          freeHead = following
          shadows[Int(id)].next = id
        } else {
          id = following
        }
      }
      offer(head)
    }
    shadows[Int(head)].token = token
    shadows[Int(head)].writable = UInt32(clamping: writable)
    shadows[Int(head)].slots = UInt16(truncatingIfNeeded: parts.count)
    return true
  }

  /// Hands out a chain whose parts stand in a table that the device reads: one descriptor of the ring, whatever their
  /// number. Only with ``Features/indirectDescriptors``.
  ///
  /// - Parameters:
  ///   - parts: 1…``size`` parts, those to read first.
  ///   - table: 16 bytes a part of memory shared with the device, not written before the chain comes back.
  ///   - address: the table's address as the device knows it.
  /// - Returns: false when it cannot be handed out now, or never.
  public mutating func add(
    _ parts: Span<BufferPart>, indirect table: SharedBytes, address: UInt64, token: UInt32
  ) -> Bool {
    guard features.contains(.indirectDescriptors), !parts.isEmpty, parts.count <= size, free > 0, fault == nil,
      table.count >= 16 * parts.count
    else { return false }
    var writable: UInt64 = 0
    for index in 0..<parts.count {
      let part = parts[index]
      if part.isWritable { writable += UInt64(part.length) }
      table.store64(part.address, at: 16 * index)
      var flags: UInt64 = part.isWritable ? UInt64(DescriptorFlag.write) : 0
      var word = UInt64(part.length)
      if isPacked {
        word |= flags << 48
      } else {
        if index + 1 < parts.count { flags |= UInt64(DescriptorFlag.next) | UInt64(index + 1) << 16 }
        word |= flags << 32
      }
      table.store64(word, at: 16 * index + 8)
    }
    let id = freeHead
    freeHead = shadows[Int(id)].next
    free &-= 1
    outstanding &+= 1
    shadows[Int(id)] = Shadow(token: token, writable: UInt32(clamping: writable), next: id, slots: 1)
    let whole = BufferPart(address: address, length: UInt32(16 * parts.count), isWritable: false)
    if isPacked {
      putPacked(whole, id: id, flags: DescriptorFlag.indirect)
    } else {
      putSplit(whole, at: id, flags: DescriptorFlag.indirect, next: 0)
      offer(id)
    }
    return true
  }

  @inline(__always)
  private func putSplit(_ part: BufferPart, at id: UInt16, flags: UInt16, next: UInt16) {
    let place = unsafe table + 16 &* Int(id)
    unsafe store64(part.address, place)
    unsafe store64(UInt64(part.length) | UInt64(flags) << 32 | UInt64(next) << 48, place + 8)
  }

  @inline(__always)
  private mutating func offer(_ head: UInt16) {
    unsafe store16(head, driver + 4 + 2 &* (Int(next) & (size &- 1)))
    next &+= 1
    unpublished &+= 1
  }

  @inline(__always)
  private mutating func putPacked(_ part: BufferPart, id: UInt16, flags: UInt16) {
    let place = unsafe table + 16 &* Int(next)
    let flags = flags | (nextWrap ? DescriptorFlag.available : DescriptorFlag.used)
    let word = UInt64(part.length) | UInt64(id) << 32 | UInt64(flags) << 48
    unsafe store64(part.address, place)
    if unpublished == 0 {
      firstSlot = next
      firstWord = word
    } else {
      unsafe store64(word, place + 8)
    }
    unpublished &+= 1
    next &+= 1
    if Int(next) == size {
      next = 0
      nextWrap.toggle()
    }
  }

  /// Shows the device everything that was handed out since the last time.
  ///
  /// - Returns: whether the device wants to be kicked for it.
  public mutating func publish() -> Bool {
    guard unpublished != 0, fault == nil else { return false }
    let count = unpublished
    unpublished = 0
    if isPacked {
      unsafe release64(firstWord, table + (16 &* Int(firstSlot) &+ 8))
      fullFence()
      let event = unsafe load32(device)
      switch UInt16(truncatingIfNeeded: event >> 16) & 3 {
      case EventFlag.disable: return false
      case EventFlag.atDescriptor where byIndex:
        return passesPacked(
          event: UInt16(truncatingIfNeeded: event), new: next, wrap: nextWrap, count: count,
          size: UInt16(truncatingIfNeeded: size))
      default: return true
      }
    }
    unsafe release16(next, driver + 2)
    fullFence()
    if byIndex {
      let event = unsafe load16(device + 4 + 8 &* size)
      return passes(event: event, new: next, old: next &- count)
    }
    return unsafe load16(device) & 1 == 0
  }
}
