import Device
import Memory
import Wire

// Errors from the underlay (I1–I4).
extension Datapath {
  /// Heeds an ICMP error that came to one of our endpoints. The frame itself goes on as any other.
  @inline(never)
  mutating func hear(_ frame: Frame, _ layers: LayerStack) {
    statistics.underlayErrors &+= 1
    let bytes = frame.bytes
    guard let quote = QuotedPacket(bytes, layers) else {
      statistics.foreignQuotes &+= 1
      return
    }
    var isOurs = false
    for place in 0..<templates.templates.count where templates.isQuoted(quote, bytes, template: place) {
      isOurs = true
      // An old router tells no MTU.
      guard let mtu = quote.mtu, mtu > 0 else { break }
      pathChanges &+= 1
      // No path that can be used carries less (RFC 791; RFC 8201 section 4).
      let floor = quote.isIPv6 ? 1280 : 576
      paths.learn(
        place, mtu: UInt16(clamping: max(mtu, floor)), now: now, change: UInt64(owner) << 56 | pathChanges)
    }
    if !isOurs { statistics.foreignQuotes &+= 1 }
    followPaths()
  }

  /// Takes over what this or another queue has learned, and forgets what is too old. Called for each burst.
  @inline(__always)
  mutating func followPaths() {
    let generation = pathView.acquire(0)
    if generation != pathGeneration || now >= pathDeadline { takePaths(generation) }
  }

  @inline(never)
  private mutating func takePaths(_ generation: UInt64) {
    pathGeneration = generation
    pathDeadline = .max
    for place in 0..<templates.templates.count {
      let word = pathView.acquire(place &+ 1)
      let mtu = PathTable.mtu(word, now: now)
      if mtu != nil { pathDeadline = min(pathDeadline, PathTable.end(word)) }
      templates.setPath(place, mtu: mtu ?? .max, widest: ports.widestUplink)
    }
  }

  /// The largest outer packet that may leave (I4): the port's, or the path's where the frame was encapsulated.
  @inline(__always)
  func sendable(_ port: PortEntry, _ work: Work) -> UInt16 {
    guard work.layerCount > 0, work.layerCount <= Work.mostLayers, port.kind == .uplink else { return port.mtu }
    return min(port.mtu, templates.templates[Int(work.layers[work.layerCount &- 1].template)].pathMTU)
  }
}
