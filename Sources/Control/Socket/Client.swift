/// One connection of the server's.
final class Client {
  enum Kind { case control, metrics }

  let kind: Kind
  let socket: FileDescriptor
  let peer: Peer
  var reader: MessageReader
  /// Of a `GET`.
  var head: [UInt8] = []
  private var outbox: [UInt8] = []
  private var sent = 0
  /// Streams that are being sent, by request.
  var streams: [(id: Int, next: () -> JSON?)] = []
  /// Answers that are not there yet.
  var waiting: [(id: Int, deadline: UInt64, ask: () -> Answer?)] = []
  /// The requests whose answers are events.
  var subscriptions: [(id: Int, topic: EventTopic)] = []
  /// Events that it was too slow for.
  var missedEvents = 0
  var isEnding = false
  var lastActive: UInt64
  /// What epoll was told.
  var watched: (reads: Bool, writes: Bool) = (true, false)

  init(_ kind: Kind, _ socket: FileDescriptor, _ peer: Peer, limit: Int, now: UInt64) {
    self.kind = kind
    self.socket = socket
    self.peer = peer
    reader = MessageReader(limit: limit)
    lastActive = now
  }

  /// Bytes that it has not taken.
  var unsent: Int { outbox.count - sent }
  /// It takes its time: nothing more is read from it, and no stream goes on.
  var isFull: Bool { unsent > 1 << 18 }

  func send(_ document: JSON) {
    // One place for the length, then the document behind it.
    let start = outbox.count
    outbox += [0, 0, 0, 0]
    document.write(to: &outbox)
    let length = outbox.count - start - 4
    for index in 0..<4 { outbox[start + index] = UInt8(truncatingIfNeeded: length >> (24 - 8 * index)) }
  }

  func send(raw bytes: [UInt8]) { outbox += bytes }

  /// Hands over what can be handed over; false when nobody is there any more.
  func flush() -> Bool {
    while sent < outbox.count {
      guard let count = try? SystemCalls.send(socket.number, outbox[sent...]) else { return false }
      if count == 0 { break }
      sent += count
    }
    if sent == outbox.count {
      outbox = []
      sent = 0
    } else if sent > 1 << 20 {
      outbox.removeFirst(sent)
      sent = 0
    }
    return true
  }
}
