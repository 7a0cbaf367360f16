import Datapath
import Device
import Memory

// Who may send how much: looked at before the data path.
extension PollLoop {
  /// What is asked of frames that a port receives.
  struct Admission: BitwiseCopyable {
    var bucket = ByteBucket(rate: 0, burst: 0)
    var mac: UInt64 = 0
    /// Something is asked.
    var isAsked = false
  }

  /// Binds a virtual function's port to what it may do, and its misses to its representor. False when one of the two is
  /// not there. The rule of ``VirtualFunction/representorRule`` is the caller's to add.
  public mutating func setFunction(_ function: VirtualFunction) -> Bool {
    let index = ports.index(of: function.port)
    guard index >= 0 else { return false }
    if let representor = function.representor {
      guard ports.index(of: representor) >= 0, datapath.setMissPort(representor, of: function.port) else {
        return false
      }
    }
    admissions[index] = Admission(
      bucket: function.bucket, mac: function.mac, isAsked: function.rate > 0 || function.mac != 0)
    return true
  }

  /// Limits what goes to the host port and what comes from it, each to so many frames a second and at once. At first
  /// 20,000 and 2,000.
  public mutating func setHostRate(_ rate: UInt32, burst: UInt32) {
    toHost = TokenBucket(rate: rate, burst: burst)
    fromHost = TokenBucket(rate: rate, burst: burst)
  }

  /// Drops what of the burst at hand its port may not send.
  mutating func admit(_ index: Int, _ now: UInt64) {
    let isHost = index == hostPort
    guard isHost || admissions[index].isAsked else { return }
    var kept = 0
    for place in 0..<received.count {
      let frame = received[place]
      if isHost {
        guard fromHost.take(now: now) else {
          drop(frame, .hostRate)
          continue
        }
      } else if let reason = refusal(frame, index, now) {
        drop(frame, reason)
        continue
      }
      received[kept] = frame
      kept &+= 1
    }
    received.keepFirst(kept)
  }

  private mutating func refusal(_ frame: Frame, _ index: Int, _ now: UInt64) -> DropReason? {
    let mac = admissions[index].mac
    if mac != 0, frame.length >= 12 {
      let bytes = frame.bytes
      guard UInt64(bytes.u16(6)) << 32 | UInt64(bytes.u32(8)) == mac else { return .foreignSource }
    }
    return admissions[index].bucket.take(frame.length, now: now) ? nil : .portRate
  }
}
