import Device
import Memory
import Rules

/// One action as the frame's way carries it out: plain data.
struct Op: BitwiseCopyable {
  enum Code: UInt8, BitwiseCopyable {
    /// `a`: the mark.
    case mark = 1
    /// `a`: the tunnel kind.
    case decapTunnel, decapEthernet
    /// `a`: the template's place in the store.
    case encap
    /// `b`: value; IPv6: `b` high half, `c` low half.
    case setMACSource, setMACDestination, setIPv4Source, setIPv4Destination, setIPv6Source, setIPv6Destination
    case setL4Source, setL4Destination, setTTL, setIPv4DSCP, setIPv6DSCP, setVLANID, setVLANPriority
    case decTTL, popVLAN
    /// `a`: TPID.
    case pushVLAN
    /// `a`: the place of an indirect counter. Stands first in the program, whatever its place in the list.
    case countShared
    /// `a`: ratio, `b`: first op of the copy's actions, `c`: a number that no other sample has.
    case sample
    /// `a`: group.
    case jump
    /// `a`: queue.
    case queue
    /// `b`: queues, the first eight as bytes; `c`: how many.
    case rss
    case drop
    /// `a`: index of the port, or `UInt32.max` for no such port.
    case port
    case representor
    /// The overlay has no such encapsulation, decapsulation or indirect action.
    case missing
    /// End of a program.
    case end
  }

  var code: Code
  /// Which action of the rule's list this is, 0-based: resume points count them.
  var action: UInt16 = 0
  var a: UInt32 = 0
  var b: UInt64 = 0
  var c: UInt64 = 0

  init(_ code: Code, a: UInt32 = 0, b: UInt64 = 0, c: UInt64 = 0) {
    self.code = code
    self.a = a
    self.b = b
    self.c = c
  }
}

/// A rule's actions, compiled: a shape for the programs that nearly all frames take, and where the general form of the
/// same program begins.
struct RuleProgram: BitwiseCopyable {
  enum Shape: UInt8, BitwiseCopyable {
    /// Anything: the interpreter.
    case general = 0
    /// [count] [age] port.
    case port
    /// [count] [age] encap port, the template a tunnel around Ethernet and the port an uplink.
    case encapPort
    /// [count] [age] decap port.
    case decapPort
  }

  var shape: Shape
  /// There is a `count` action; an `age` action.
  var counts: Bool
  var ages: Bool
  /// The tunnel that `decapPort` takes off.
  var kind: TunnelKind
  /// Index of the port of the shapes.
  var port: UInt16
  /// How many actions the rule has: resume points count to it.
  var actionCount: UInt16
  /// Template of `encapPort`.
  var template: UInt32
  var firstOp: UInt32
}
