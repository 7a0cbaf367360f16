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
    findCandidates(burst)
    let view = unsafe cache.view
    let count = burst.count
    var index = 0
    while index < count {
      let flow = flows[index]
      guard flow != 0 else { break }
      let first = index
      let way = unsafe view.entry(flow).pointee.way
      if way == .plainEncap {
        index = encapsulateKnown(burst, from: index, &out)
      } else if way == .plainDecap {
        index = decapsulateKnown(burst, from: index, &out)
      }
      if index > first { continue }
      guard unsafe view.recognise(burst[index].bytes.unsafeBase, length: burst[index].length, flow) else { break }
      unsafe carryOutOne(&burst, index, view.entry(flow), &out)
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
        let entry = unsafe view.entry(flow)
        unsafe reader.prefetchCounter(reader.resumed(index: entry.pointee.index, payload: 0))
      } else {
        unknown |= 1 &<< UInt64(index)
      }
    }
    return unknown
  }

  /// Where the flows of the burst's frames may be. Half-done frames, frames that owe, chained frames and frames of unknown
  /// ports have none.
  ///
  /// A function of its own, and one that calls none on the way: so its many values stay in registers.
  @inline(never)
  private mutating func findCandidates(_ burst: borrowing FrameBurst) {
    let view = unsafe cache.view
    let candidates = unsafe UnsafeMutablePointer(mutating: flows.place(0).assumingMemoryBound(to: UInt64.self))
    let count = burst.count
    var missed: UInt64 = 0
    var index = 0
    while index < count {
      // Frames of one port come in a row, mostly.
      let id = unsafe burst.place(index).pointee.inPort
      let port = ports.index(of: id)
      if port == PortTable.none {
        unsafe candidates[index] = 0
        index &+= 1
      } else if ports.entries[port].kind == .uplink {
        missed |= unsafe guess(burst, &index, id, port, uplink: true, view, candidates)
      } else {
        missed |= unsafe guess(burst, &index, id, port, uplink: false, view, candidates)
      }
    }
    if missed != 0 { searchCandidates(burst, missed) }
  }

  /// The frames from `index` on that came in through port `id`. Gives the slots of those that the guess did not find.
  @inline(__always)
  private func guess(
    _ burst: borrowing FrameBurst, _ index: inout Int, _ id: UInt16, _ port: Int, uplink: Bool, _ view: FlowView,
    _ candidates: UnsafeMutablePointer<UInt64>
  ) -> UInt64 {
    var missed: UInt64 = 0
    var frame = unsafe burst.place(index)
    while index < burst.count, unsafe frame.pointee.inPort == id {
      let length = unsafe frame.pointee.length
      let reach = unsafe length &+ frame.pointee.tailroom
      var found: UInt64 = 0
      if unsafe frame.pointee.isFresh, reach >= 64 {
        found = unsafe view.guessed(
          frame.pointee.bytes.unsafeBase, length: length, reach: reach, inPort: port, uplink: uplink)
        if found == 0 { missed |= 1 &<< UInt64(truncatingIfNeeded: index) }
      }
      unsafe candidates[index] = found
      unsafe frame += 1
      index &+= 1
    }
    return missed
  }

  /// The frames of `slots`, whose shape was guessed wrong or whose flow is not known.
  @inline(never)
  private mutating func searchCandidates(_ burst: borrowing FrameBurst, _ slots: UInt64) {
    let view = unsafe cache.view
    var rest = slots
    while rest != 0 {
      let index = rest.trailingZeroBitCount
      rest &= rest &- 1
      let port = ports.index(of: burst[index].inPort)
      flows[index] = unsafe view.candidate(
        burst[index].bytes.unsafeBase, length: burst[index].length,
        reach: burst[index].length &+ burst[index].tailroom, inPort: port,
        uplink: ports.entries[port].kind == .uplink)
    }
  }

  /// The frames of `slots` in order of arrival: those of known flows, and those of `rest`.
  @inline(__always)
  mutating func carryOut(
    _ burst: inout FrameBurst, _ slots: UInt64, _ rest: UInt64, learns: Bool, _ out: inout EmissionBurst
  ) {
    let view = unsafe cache.view
    for index in slots.trailingZeroBitCount..<burst.count {
      if rest & 1 &<< UInt64(index) == 0 {
        let entry = unsafe view.entry(flows[index])
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
