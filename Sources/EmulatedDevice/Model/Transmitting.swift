import Device
import Memory

extension Model {
  /// Software sends a frame.
  mutating func transmit(_ frame: Frame, port: UInt16, emit: (Emission) -> Void) {
    guard isAlive else { return tally.add(.lost) }
    tally.add(.framesSent)
    var out = frame
    out.outcome = frame.owed.isEmpty ? .forward : .dropped(.malformedDebt)
    emit(Emission(frame: out, port: port))
  }
}
