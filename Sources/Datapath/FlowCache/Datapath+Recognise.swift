import Classifier
import Device
import Memory

// A burst's way through the flow cache: candidates first, so that their lines come meanwhile; then frame after frame is
// compared and carried out, up to the first that is not known. That one and those behind it go on in stages.
extension Datapath {
  /// Carries out the burst's first frames, as long as the cache knows them. Gives their number, and notes the candidates of
  /// all frames in `flows`.
  @inline(__always)
  mutating func carryOutKnown(_ burst: inout FrameBurst, _ out: inout EmissionBurst) -> Int {
    let view = unsafe cache.view
    let count = burst.count
    for index in 0..<count { flows[index] = unsafe candidate(burst[index], view) }
    var index = 0
    while index < count {
      let flow = flows[index]
      guard flow != 0, unsafe view.recognise(burst[index].bytes.unsafeBase, length: burst[index].length, flow) else {
        break
      }
      unsafe carryOutKnown(&burst, index, view.entry(FlowEntry.place(flow)), &out)
      index &+= 1
    }
    return index
  }

  /// Compares the frames of `slots` with their candidates. Gives those that the cache does not know.
  @inline(__always)
  mutating func recognise(_ burst: inout FrameBurst, _ slots: UInt64) -> UInt64 {
    let view = unsafe cache.view
    var unknown: UInt64 = 0
    var rest = slots
    while rest != 0 {
      let index = rest.trailingZeroBitCount
      rest &= rest &- 1
      let flow = flows[index]
      if flow != 0, unsafe view.recognise(burst[index].bytes.unsafeBase, length: burst[index].length, flow) {
        let entry = unsafe view.entry(FlowEntry.place(flow))
        unsafe reader.prefetchCounter(reader.resumed(index: entry.pointee.index, payload: 0))
      } else {
        unknown |= 1 &<< UInt64(index)
      }
    }
    return unknown
  }

  /// Where the flow of a frame may be. Half-done frames, frames that owe, chained frames and frames of unknown ports have
  /// none.
  @inline(__always)
  private func candidate(_ frame: borrowing Frame, _ view: FlowView) -> UInt64 {
    let port = ports.index(of: frame.inPort)
    guard port != PortTable.none, frame.isFresh else { return 0 }
    return unsafe view.candidate(
      frame.bytes.unsafeBase, length: frame.length, reach: frame.length &+ frame.tailroom, inPort: port,
      uplink: ports.entries[port].kind == .uplink)
  }

  /// The frames of `slots` in order of arrival: those of known flows, and those of `rest`.
  @inline(__always)
  mutating func carryOut(
    _ burst: inout FrameBurst, _ slots: UInt64, _ rest: UInt64, learns: Bool, _ out: inout EmissionBurst
  ) {
    let view = unsafe cache.view
    for index in slots.trailingZeroBitCount..<burst.count {
      if rest & 1 &<< UInt64(index) == 0 {
        let entry = unsafe view.entry(FlowEntry.place(flows[index]))
        unsafe carryOutOne(&burst, index, entry, &out)
      } else {
        carryOut(&burst, index, rest, learns: learns, &out)
      }
    }
  }

  @inline(never)
  private mutating func carryOutOne(
    _ burst: inout FrameBurst, _ index: Int, _ entry: UnsafePointer<FlowEntry>, _ out: inout EmissionBurst
  ) {
    unsafe carryOutKnown(&burst, index, entry, &out)
  }
}
