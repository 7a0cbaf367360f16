import CShim

// Exact match alone: for callers that have the words of a template's rows, such as whoever keeps a table of flows.
extension Reader {
  /// Looks up `count` (at most ``burst``) keys of a template's rules in the template's group: those that have exactly
  /// these words. What was found is in the slots 0..<count; see ``hit(_:)``.
  ///
  /// Key i has ``RuleTemplate/wordCount`` words from `stride` * i on in `keys`, as ``BatchRule`` makes them; bits that the
  /// template does not look at are 0. Keys that reach past the end of `keys` trap.
  public mutating func find(_ template: borrowing RuleTemplate, _ keys: Span<UInt64>, stride: Int, count: Int) {
    precondition(count >= 0 && count <= Self.burst && stride >= template.wordCount)
    precondition(count == 0 || (count &- 1) &* stride &+ template.wordCount <= keys.count)
    found = 0
    guard count > 0, let view = unsafe table(of: template) else { return }
    unsafe keys.withUnsafeBufferPointer { words in
      guard let base = words.baseAddress else { return }
      let table = unsafe view.pointee.table
      switch table.wordCount {
      case 2: unsafe find(table, base, stride, count, width: 2)
      case 3: unsafe find(table, base, stride, count, width: 3)
      case 4: unsafe find(table, base, stride, count, width: 4)
      case 5: unsafe find(table, base, stride, count, width: 5)
      case 6: unsafe find(table, base, stride, count, width: 6)
      default: unsafe find(table, base, stride, count, width: table.wordCount)
      }
    }
  }

  // As ``settle``, but for what it has to do for a frame: slots apart, better hits of other tables, options.
  @inline(__always)
  private mutating func find(
    _ table: ExactTable, _ words: UnsafePointer<UInt64>, _ stride: Int, _ count: Int, width: Int
  ) {
    let waiting = unsafe waiting
    for index in 0..<count {
      let hash = unsafe ExactTable.hash(words + index &* stride, count: width)
      unsafe waiting[index].hash = hash
      unsafe dpu_prefetch(table.bucket(table.first(hash)))
    }
    let away = probe(table, count)
    if away != 0 { probeOthers(table, away) }
    let version = version
    var (asked, slot, key) = unsafe (waiting, scratch, words)
    let end = unsafe waiting + count
    var hits: UInt64 = 0
    var bit: UInt64 = 1
    while unsafe asked < end {
      let candidate = unsafe asked.pointee.candidate
      if candidate != ExactTable.none {
        let found = unsafe table.resolve(
          Machine(), candidate: candidate, key: key, hash: asked.pointee.hash, version: version, count: width
        ) { _ in true }
        if let row = unsafe found {
          unsafe slot.pointee.hit = hit(of: row)
          hits |= bit
        }
      }
      bit &<<= 1
      unsafe asked += 1
      unsafe slot += 1
      unsafe key += stride
    }
    found = hits
  }

  private func table(of template: borrowing RuleTemplate) -> UnsafeMutablePointer<SubtableView>? {
    guard let group = unsafe view.pointee.group(template.subtable.group) else { return nil }
    for index in 0..<(unsafe group.pointee.count) {
      let table = unsafe group.pointee.first + index
      if unsafe !table.pointee.hasResidual, unsafe looksLike(template, table) { return unsafe table }
    }
    return nil
  }

  private func looksLike(_ template: borrowing RuleTemplate, _ table: UnsafeMutablePointer<SubtableView>) -> Bool {
    guard unsafe table.pointee.table.wordCount == template.wordCount else { return false }
    for word in 0..<template.wordCount {
      guard unsafe Int(table.pointee.indices[word]) == template.indices[word],
        unsafe table.pointee.masks[word] == template.masks[word]
      else { return false }
    }
    return true
  }
}
