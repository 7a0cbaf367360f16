import DeviceBus
import Memory
import Virtqueue

/// The device's side of one queue pair.
struct ServedPair: ~Copyable {
  var input: DeviceQueue
  var output: DeviceQueue
  /// Output buffers that the next frame needs.
  var waitsFor = 5

  /// Whether there is room for what may come of the next frame.
  var hasRoom: Bool { mutating get { output.hasWork(atLeast: waitsFor) } }
}

/// All of a device's queues, on fresh rings.
struct ServedQueues: ~Copyable {
  var admin: DeviceQueue
  var pairs: OwnedTable<ServedPair>

  init(_ layout: BusLayout, _ region: SharedRegion) throws(RingFault) {
    let map = AddressMap(offsetsIn: region)
    let features: Features = [.version1, .eventIndex]
    let admin = try DeviceQueue(try layout.adminPlace(region.shared), map: map, features: features)
    var pairs = OwnedTable<ServedPair>(capacity: layout.pairs)
    for pair in 0..<layout.pairs {
      pairs.append(
        ServedPair(
          input: try DeviceQueue(try layout.inputPlace(pair, region.shared), map: map, features: features),
          output: try DeviceQueue(try layout.outputPlace(pair, region.shared), map: map, features: features)))
    }
    self.admin = admin
    self.pairs = pairs
  }

  mutating func needsCall() -> Bool {
    var wanted = admin.needsCall()
    for pair in 0..<pairs.count {
      if pairs[pair].input.needsCall() { wanted = true }
      if pairs[pair].output.needsCall() { wanted = true }
    }
    return wanted
  }

  mutating func requestKicks() -> Bool {
    var isQuiet = admin.requestKicks()
    for pair in 0..<pairs.count {
      // A frame that waits for room in the output queue is woken by that.
      if !pairs[pair].input.requestKicks(), pairs[pair].hasRoom { isQuiet = false }
      if !pairs[pair].hasRoom { _ = pairs[pair].output.requestKicks() }
    }
    return isQuiet
  }

  mutating func suppressKicks() {
    admin.suppressKicks()
    for pair in 0..<pairs.count { pairs[pair].input.suppressKicks() }
  }
}
