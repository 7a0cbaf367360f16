/// Whether frames can pass a port now.
@frozen
public enum LinkState: UInt8, Sendable, BitwiseCopyable, CaseIterable {
  /// They can.
  case up = 0
  /// Not now: the link has no carrier, was taken down, or nobody stands at the other end.
  case down
  /// Never again: what stood behind the port is not there any more.
  case gone
}

/// What a port says to a thread that wants to sleep.
@frozen
public enum Waking: Equatable, Sendable, BitwiseCopyable {
  /// The descriptors that it named become readable when frames wait; without one there never are any.
  case armed
  /// Only asking tells.
  case asking
  /// Frames wait now.
  case work
}

/// What is known of a live port, beside its frames.
public struct PortFacts: Equatable, Sendable {
  /// The name of what stands behind it: an interface, a socket, a file.
  public var name: String
  /// Its own address, 48 bits; 0 when it has none.
  public var mac: UInt64
  /// The largest L3 packet, in bytes.
  public var mtu: Int
  /// Debts that frames sent out of it may have: whoever receives them pays.
  public var carries: Owed
  /// Debts that frames received from it may have.
  public var hands: Owed

  /// Facts.
  public init(name: String, mac: UInt64 = 0, mtu: Int = 1500, carries: Owed = [], hands: Owed = []) {
    self.name = name
    self.mac = mac
    self.mtu = mtu
    self.carries = carries
    self.hands = hands
  }
}

/// What passed a port. Dropped frames are counted under their reason, whichever way they went.
public struct PortCounters: ~Copyable {
  /// Frames that came in and were handed on.
  public var framesReceived: UInt64 = 0
  /// Their bytes, of L2 without FCS.
  public var bytesReceived: UInt64 = 0
  /// Frames that went out.
  public var framesSent: UInt64 = 0
  /// Their bytes.
  public var bytesSent: UInt64 = 0
  /// Frames that what stands behind the port had to drop, because nobody fetched them in time.
  public var missed: UInt64 = 0
  /// Times that nothing was fetched because no buffer was free; the frames wait.
  public var starved: UInt64 = 0
  /// Frames dropped here.
  public var drops = DropCounters()

  /// Zeroes.
  public init() {}
}

/// A live port: frames come in and go out of it in bursts.
///
/// A port belongs to one thread and waits for nobody. Its buffers are its own: a frame that it hands over goes back to it
/// by the frame's token, whose top byte is the port's ``owner``. Users are generic over the kind of port, or switch over
/// the kinds there are; no existential is on a frame's way.
public protocol BurstPort: ~Copyable {
  /// What is known of it.
  var facts: PortFacts { get }
  /// Whether frames can pass.
  var link: LinkState { get }
  /// The top byte of its tokens.
  var owner: UInt8 { get }
  /// What passed it.
  var counters: PortCounters { get }

  /// Adds frames that wait to `burst`, as many as fit; none when none waits. They carry the port's number
  /// (``Frame/inPort``), the debts in ``PortFacts/hands`` at most, and room for an outer header in front.
  mutating func receive(_ burst: inout FrameBurst, now: UInt64)

  /// Sends the frames of `burst`, or drops them under a name, and empties it. The tokens of frames that are the sender's
  /// again are added to `free`; a port that reads them later keeps those.
  mutating func transmit(_ burst: inout FrameBurst, now: UInt64, free: inout TokenList)

  /// Takes the buffer of a frame back that it had handed over.
  mutating func recycle(_ token: UInt32)

  /// Gets ready for the thread's sleep: adds descriptors that become readable when frames, or words of the other side,
  /// wait.
  mutating func arm(_ descriptors: inout [Int32]) -> Waking

  /// The thread is awake again after ``arm(_:)``.
  mutating func awake(now: UInt64)

  /// Looks after what changes seldom (link, address, MTU, counters of what stands behind); called now and then.
  mutating func look(now: UInt64)
}
