import Classifier
public import Device
import Memory
import Rules
import Wire

// Questions that change nothing: for explanations.
extension Datapath {
  /// The id of the rule that this frame, as it is, would hit in `group`; nil when no rule takes it, or when it would be
  /// dropped before any. Nothing is counted, and no age timer begins anew. `now` is in nanoseconds.
  public mutating func wouldHit(_ frame: Frame, group: UInt32, now: UInt64) -> UInt32? {
    let port = ports.index(of: frame.inPort)
    guard port != PortTable.none else { return nil }
    let looks = ports.entries[port].kind == .uplink && frame.steps.isDisjoint(with: [.decapsulate, .encapsulate])
    let stack: HeaderStack
    do throws(ParseDrop) {
      stack = try HeaderStack.parse(
        frame.bytes.span, options: parseOptions[looks ? 1 : 0], startsAtIP: frame.steps.contains(.startsAtIP))
    } catch { return nil }
    reader.enter(now: now)
    defer { reader.leave() }
    reader.prepare(Self.singleSlot, stack, frame.bytes, inPort: frame.inPort)
    reader.lookup(slot: Self.singleSlot, group: group)
    let hit = reader.hit(Self.singleSlot)
    return hit.isHit ? reader.id(of: hit) : nil
  }
}
