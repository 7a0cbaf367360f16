extension Reader {
  /// Another number each time that the bits which rules look at may have changed; to be asked within a burst.
  public var looksSerial: UInt64 { unsafe view.pointee.serial }

  /// The bits of a key that a rule of `group` looks at, all rules together: frames whose keys agree in them hit the same
  /// rule. Geneve options that have no slot are not in it. To be asked within a burst.
  public func looks(group: UInt32) -> FlowKey {
    var looks = FlowKey()
    guard let group = unsafe view.pointee.group(group) else { return looks }
    for index in 0..<(unsafe group.pointee.count) {
      let table = unsafe group.pointee.first[index]
      for word in 0..<table.table.wordCount {
        unsafe looks.words[Int(table.indices[word])] |= table.masks[word]
      }
    }
    return looks
  }
}
