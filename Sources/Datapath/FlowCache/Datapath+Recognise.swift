import Classifier
import Device
import Memory

// A burst's way through the flow cache: candidates first, so that their lines come meanwhile, then comparisons, then all
// frames in order of arrival.
extension Datapath {
  /// Asks the flow cache. Gives the slots of the frames that it does not know, and the others' places in `flows`.
  @inline(__always)
  mutating func recognise(_ burst: inout FrameBurst, count: Int) -> UInt64 {
    let view = unsafe cache.view
    for index in 0..<count {
      flows[index] = unsafe candidate(burst[index], view)
    }
    var rest: UInt64 = 0
    for index in 0..<count {
      let flow = flows[index]
      if flow != 0, unsafe view.recognise(burst[index].bytes.unsafeBase, length: burst[index].length, flow) {
        let entry = unsafe view.entry(FlowEntry.place(flow))
        unsafe reader.prefetchCounter(reader.resumed(index: entry.pointee.index, payload: 0))
      } else {
        rest |= 1 &<< UInt64(index)
      }
    }
    return rest
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

  /// In order of arrival: frames of known flows, and those of `rest`.
  @inline(__always)
  mutating func carryOut(
    _ burst: inout FrameBurst, _ rest: UInt64, learns: Bool, _ out: inout EmissionBurst
  ) {
    let view = unsafe cache.view
    for index in 0..<burst.count {
      if rest & 1 &<< UInt64(index) == 0 {
        let entry = unsafe view.entry(FlowEntry.place(flows[index]))
        unsafe carryOutKnown(&burst, index, entry, &out)
      } else {
        carryOut(&burst, index, rest, learns: learns, &out)
      }
    }
  }
}
