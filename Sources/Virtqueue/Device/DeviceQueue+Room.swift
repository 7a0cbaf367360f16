// How much a driver has made available, before any of it is taken.
extension DeviceQueue {
  /// Whether `count` chains of one descriptor each wait, 1…``size``; false when the peer is cut off.
  ///
  /// A driver whose chains are longer has made fewer available than this says.
  public mutating func hasWork(atLeast count: Int) -> Bool {
    guard fault == nil, count > 0, count <= size else { return false }
    guard isPacked else { return Int(unsafe acquire16(driver + 2) &- next) >= count }
    // A driver shows descriptors in order: the last of them is available when all are.
    var place = Int(next) &+ count &- 1
    var wrap = nextWrap
    if place >= size {
      place &-= size
      wrap.toggle()
    }
    let flags = unsafe acquire16(table + (16 &* place &+ 14))
    return (flags & DescriptorFlag.available != 0) == wrap && (flags & DescriptorFlag.used != 0) != wrap
  }
}
