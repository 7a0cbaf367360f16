import Rules

/// Options of a rule that have no place in the key, laid out so that readers can compare them with a frame's bytes.
///
/// A block is 32-bit words: how many options, then for each its head, how many data words are compared, the wanted words
/// and their masks, in the frame's byte order.
enum Residual {
  /// A block for `options`; freed by ``free(_:)``.
  static func make(_ options: [GeneveOptionItem]) -> UInt64 {
    var words: [UInt32] = [UInt32(options.count)]
    for option in options {
      words.append(UInt32(option.optionClass) << 16 | UInt32(option.type) << 8 | UInt32(option.length))
      words.append(UInt32(option.data.count))
      words += option.data.map(\.byteSwapped)
      words += option.mask.map(\.byteSwapped)
    }
    let block = UnsafeMutablePointer<UInt32>.allocate(capacity: words.count)
    for (index, word) in words.enumerated() { unsafe (block + index).initialize(to: word) }
    return UInt64(UInt(bitPattern: block))
  }

  static func free(_ block: UInt64) {
    if let block = unsafe UnsafeMutablePointer<UInt32>(bitPattern: UInt(block)) { unsafe block.deallocate() }
  }

  /// Whether the `length` bytes of options at `options` have all of the block's.
  static func matches(_ block: UInt64, options: UnsafeRawPointer?, length: Int) -> Bool {
    guard var words = unsafe UnsafePointer<UInt32>(bitPattern: UInt(block)), let options = unsafe options else {
      return false
    }
    let count = unsafe words[0]
    unsafe words += 1
    for _ in 0..<count {
      let head = unsafe words[0]
      let data = Int(unsafe words[1])
      guard unsafe has(head, words + 2, data, options, length) else { return false }
      unsafe words += 2 + 2 * data
    }
    return true
  }

  private static func has(
    _ head: UInt32, _ wanted: UnsafePointer<UInt32>, _ count: Int, _ options: UnsafeRawPointer, _ length: Int
  ) -> Bool {
    var at = 0
    while at < length {
      let found = unsafe UInt32(bigEndian: options.loadUnaligned(fromByteOffset: at, as: UInt32.self)) & 0xffff_ff1f
      if found == head {
        var equal = true
        for word in 0..<count {
          let value = unsafe options.loadUnaligned(fromByteOffset: at + 4 + 4 * word, as: UInt32.self)
          if unsafe value & wanted[count + word] != wanted[word] { equal = false }
        }
        if equal { return true }
      }
      at += 4 + Int(found & 31) * 4
    }
    return false
  }
}
