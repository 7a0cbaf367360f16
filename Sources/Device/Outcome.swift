/// What became of a frame: nothing yet, sent on, or dropped under a name.
@frozen
public struct Outcome: Equatable, Hashable, Sendable, BitwiseCopyable {
  /// 0 pending, 1…15 not dropped, 16 and up the drop reason's number.
  public let rawValue: UInt8
  @inlinable init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Still on its way.
  @inlinable public static var pending: Outcome { Outcome(rawValue: 0) }
  /// Goes out of the port that the result names.
  @inlinable public static var forward: Outcome { Outcome(rawValue: 1) }
  /// Goes to a receive queue of the host's software.
  @inlinable public static var deliver: Outcome { Outcome(rawValue: 2) }
  /// From a device: goes up to software, which does the rest.
  @inlinable public static var up: Outcome { Outcome(rawValue: 3) }
  /// Taken in to become part of other frames (reassembly, segmentation, coalescing).
  @inlinable public static var absorbed: Outcome { Outcome(rawValue: 4) }

  /// Dropped, and why.
  @inlinable public static func dropped(_ reason: DropReason) -> Outcome { Outcome(rawValue: reason.rawValue) }
  /// The reason, when it was dropped.
  @inlinable public var dropReason: DropReason? { rawValue < 16 ? nil : DropReason(rawValue: rawValue) }
}

/// Why a frame was dropped. Every reason has a name (the case, in snake case, on every interface), a sentence and a
/// counter.
@frozen
public enum DropReason: UInt8, Error, Sendable, CaseIterable, BitwiseCopyable {
  /// A rule said drop.
  case rule = 16
  /// No rule matched and the port's default is to drop.
  case noRule
  /// The rule ended without a fate and the port's default is to drop.
  case noFate
  /// Shorter than an Ethernet header.
  case runt
  /// Headers reach past 510 bytes.
  case headersTooLong
  /// An outer fragment for one of our tunnel endpoints, and reassembly is not configured.
  case outerFragment
  /// Outer fragments that overlap (RFC 5722; for IPv4 too).
  case fragmentOverlap
  /// Outer fragments that did not become whole in time.
  case fragmentTimeout
  /// No memory left for outer fragments.
  case fragmentMemory
  /// The fragment's length or offset is impossible.
  case fragmentMalformed
  /// Bad outer IPv4 header checksum.
  case outerIPv4Checksum
  /// Bad outer UDP checksum.
  case outerUDPChecksum
  /// Zero outer UDP checksum over IPv6, not allowed here (RFC 6935).
  case zeroUDPChecksumIPv6
  /// UDP length and IP length disagree.
  case outerUDPLength
  /// Geneve version is not 0.
  case geneveVersion
  /// Geneve option lengths do not add up.
  case geneveOptions
  /// Geneve O bit: a control packet, never forwarded.
  case geneveControl
  /// A critical Geneve option that nobody here knows.
  case geneveCriticalOption
  /// Geneve: an option is critical but the header's C bit is not set.
  case geneveCriticalBit
  /// What the tunnel says is inside is not Ethernet, IPv4 or IPv6.
  case tunnelProtocol
  /// VXLAN without a valid network identifier (I flag 0).
  case vxlanNoVNI
  /// VXLAN with a VLAN tag inside, and that is not configured.
  case vxlanInnerVLAN
  /// GRE with reserved bits or version set (RFC 2784).
  case greReserved
  /// Bad GRE checksum.
  case greChecksum
  /// NVGRE with a reserved network identifier.
  case nvgreReservedVSID
  /// NVGRE with a VLAN tag inside (RFC 7637).
  case nvgreInnerVLAN
  /// The tunnel header does not fit in the packet.
  case tunnelTruncated
  /// What is inside the tunnel is too short to be a frame.
  case innerTruncated
  /// RFC 6040: inner not ECN-capable, outer says congestion experienced.
  case ecnNotCapable
  /// A rule asks to decapsulate a frame that has no such tunnel.
  case decapsulateMismatch
  /// A rule asks to encapsulate what has no Ethernet header, or to send it without one.
  case missingEthernet
  /// The TTL or hop limit ran out.
  case ttlExpired
  /// Too big for the port after encapsulation; the sender was answered (or must not be).
  case tooBig
  /// Too big for the tenant's port.
  case exceedsPortMTU
  /// No room for the outer header and no buffer to copy into.
  case noHeadroom
  /// No buffer for a frame to be made.
  case noBuffer
  /// The rule names a port that is not there.
  case noSuchPort
  /// The rule names an encapsulation that is not there.
  case noSuchEncapsulation
  /// More jumps between groups than there are groups.
  case jumpLoop
  /// A debt on the frame cannot be paid (offsets outside of the frame, or not a TCP or UDP header).
  case malformedDebt
  /// Swallowed by a device that was lost.
  case lostInDevice
  /// The port's queue had no room.
  case transmitFull
  /// What stands behind the port refused the frame: too long for it, or a header that it does not take.
  case transmitRefused
  /// The port's link is down or gone.
  case linkDown
  /// A virtio-net header that does not fit its frame, or asks for what was not agreed on.
  case virtioHeader
  /// A frame that came was longer than 65,535 bytes.
  case receiveTruncated
  /// The port's owner sent more than the port's rate.
  case portRate
  /// The port's owner sent from an address that is not the port's.
  case foreignSource
  /// More for or from the host than the host port's rate.
  case hostRate
  /// No route to where the tunnel ends.
  case noRoute
  /// Too many frames wait for the next hop's address.
  case nextHopFull
  /// The next hop did not say its address in time.
  case nextHopTimeout
  /// No rule matched, and nobody is there to be asked for one.
  case noController
  /// No rule matched, and more flows were new than the controller is told in a second.
  case controllerRate
  /// No rule matched, and too many frames wait for the controller already.
  case controllerFull
  /// No rule matched, and the controller did not answer in time, or said drop.
  case controllerTimeout
}

extension DropReason {
  /// The name on every interface: the case's, in snake case.
  public var name: String { words.name }
  /// One sentence for a user.
  public var sentence: String { words.sentence }
}
