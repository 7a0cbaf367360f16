#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Why the kernel cannot be asked about this host.
public struct NetlinkSocketError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What was being done.
  public let place: String
  /// The system's error number.
  public let errno: Int32
  /// `place: error N`.
  public var description: String { "\(place): error \(errno)" }
}

/// A route netlink socket that keeps a ``HostView``: it asks for everything once, and then hears of changes. When the
/// kernel lost messages, or a dump was disturbed, everything is asked for again, into a view of its own that takes the old
/// one's place when it is complete.
public final class NetlinkSocket {
  /// Kinds of dumps in their order: links, addresses, neighbours, routes.
  private static let dumps: [UInt16] = [18, 22, 30, 26]

  private let channel: NetlinkChannel
  private var fresh = HostView()
  /// Index in ``dumps`` of the one that is running; nil when none is.
  private var running: Int?
  private var sequence: UInt32 = 0
  private var mustRepeat = false
  /// What is known. Empty until the first dumps are complete.
  public private(set) var view = HostView()
  /// Goes up with every change of ``view``.
  public private(set) var version = 0
  /// Malformed datagrams so far; the last one's mistake.
  public private(set) var malformed: (count: Int, last: NetlinkError?) = (0, nil)

  /// Opens a socket in the namespace of the calling thread, and begins to ask.
  public init() throws(NetlinkSocketError) {
    channel = try NetlinkChannel()
    try ask(0)
  }

  /// Becomes readable when the kernel has something to tell.
  public var descriptor: Int32 { channel.number }
  /// Whether everything asked for has been told.
  public var isComplete: Bool { running == nil && version > 0 }

  private func ask(_ dump: Int) throws(NetlinkSocketError) {
    if dump == 0 {
      fresh = HostView()
      mustRepeat = false
    }
    sequence &+= 1
    running = dump
    try channel.dump(Self.dumps[dump], sequence)
  }

  /// Reads what the kernel tells; never waits. Returns whether ``view`` changed.
  public func read() throws(NetlinkSocketError) -> Bool {
    let before = version
    while true {
      let datagram: [UInt8]
      switch try channel.receive() {
      case .nothing: return version != before
      case .lost:
        try lost()
        continue
      case .datagram(let bytes): datagram = bytes
      }
      let (changes, error) = NetlinkParser.parse(datagram)
      if let error { malformed = (malformed.count + 1, error) }
      for change in changes { try take(change) }
    }
  }

  private func lost() throws(NetlinkSocketError) {
    if running != nil { mustRepeat = true } else { try ask(0) }
  }

  private func take(_ change: HostChange) throws(NetlinkSocketError) {
    switch change {
    case .overrun: try lost()
    case .refused(let number, let code):
      // Another process dumps: EBUSY. Anything else would come again and again.
      guard number == sequence, running != nil else { return }
      guard code == EBUSY || code == EINTR else { throw NetlinkSocketError(place: "a netlink dump", errno: code) }
      try ask(0)
    case .done(let number, let wasDisturbed):
      guard number == sequence, let dump = running else { return }
      if wasDisturbed || mustRepeat { return try ask(0) }
      if dump + 1 < Self.dumps.count { return try ask(dump + 1) }
      running = nil
      view = fresh
      version += 1
    default:
      // Told meanwhile, or by the dump: both end in the view that the dump makes.
      if running != nil { fresh.apply(change) }
      guard version > 0 else { return }
      view.apply(change)
      guard running == nil else { return }
      version += 1
      if Self.takesRoutesAlong(change) { try ask(0) }
    }
  }

  /// Whether the kernel may have forgotten routes without a word: it does when an address or a link goes.
  private static func takesRoutesAlong(_ change: HostChange) -> Bool {
    switch change {
    case .addressGone, .linkGone: true
    case .link(let link): !link.isRunning
    default: false
    }
  }
}
