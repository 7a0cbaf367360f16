import CSocket

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

// The one reason for `unsafe` in Control: system calls take addresses of buffers and names. None is kept behind a call.
// The oracles are the tests over real sockets and files.

/// A system call that failed.
public struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
  /// `errno`.
  public var number: Int32
  /// What was being done to what.
  public var place: String

  /// The error of the call that was made last on this thread.
  init(_ place: String) {
    number = errno
    self.place = place
  }

  /// What a call answered: `-errno`.
  init(_ place: String, answer: Int32) {
    number = -answer
    self.place = place
  }

  /// The caller may not.
  public var isPermission: Bool { number == EACCES || number == EPERM }
  /// Somebody else has it.
  public var isTaken: Bool { number == EADDRINUSE }
  /// Nobody is there.
  public var isAbsent: Bool { number == ENOENT || number == ECONNREFUSED }

  /// `place: sentence`.
  public var description: String {
    let text = unsafe strerror(number)
    return place + ": " + (unsafe text.map { unsafe String(cString: $0) } ?? "error \(number)")
  }
}

/// A descriptor that is closed with its owner.
final class FileDescriptor: Sendable {
  let number: Int32
  init(_ number: Int32) { self.number = number }
  deinit { close(number) }
}

enum SystemCalls {
  /// Reads what is there: nil at the end, 0 when nothing waits.
  static func read(_ descriptor: Int32, into buffer: inout [UInt8]) throws(SystemError) -> Int? {
    while true {
      let room = buffer.count
      let count = unsafe recv(descriptor, &buffer, room, 0)
      if count > 0 { return count }
      if count == 0 { return nil }
      if errno == EINTR { continue }
      if errno == EAGAIN { return 0 }
      throw SystemError("read")
    }
  }

  /// Sends some of it: how many bytes were taken.
  static func send(_ descriptor: Int32, _ bytes: ArraySlice<UInt8>) throws(SystemError) -> Int {
    while true {
      let count = unsafe bytes.withUnsafeBytes { buffer in
        unsafe Glibc.send(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
      }
      if count >= 0 { return count }
      if errno == EINTR { continue }
      if errno == EAGAIN { return 0 }
      throw SystemError("send")
    }
  }

  /// Writes all of it to a file at `offset`.
  static func write(_ file: Int32, _ bytes: ArraySlice<UInt8>, at offset: Int, place: String) throws(SystemError) {
    var rest = bytes
    while !rest.isEmpty {
      let at = offset + rest.startIndex - bytes.startIndex
      let count = unsafe rest.withUnsafeBytes { buffer in unsafe pwrite(file, buffer.baseAddress, buffer.count, at) }
      if count < 0 {
        if errno == EINTR { continue }
        throw SystemError(place)
      }
      rest = rest.dropFirst(count)
    }
  }

  /// Reads up to `count` bytes of a file at `offset`; fewer at its end.
  static func read(_ file: Int32, _ count: Int, at offset: Int, place: String) throws(SystemError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var have = 0
    while have < count {
      let got = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe pread(file, unsafe buffer.baseAddress.map { unsafe $0 + have }, count - have, offset + have)
      }
      if got < 0 {
        if errno == EINTR { continue }
        throw SystemError(place)
      }
      if got == 0 { break }
      have += got
    }
    bytes.removeLast(count - have)
    return bytes
  }

  /// Opens a file.
  static func open(_ path: String, _ flags: Int32) throws(SystemError) -> FileDescriptor {
    let number = unsafe Glibc.open(path, flags | O_CLOEXEC, 0o640)
    guard number >= 0 else { throw SystemError(path) }
    return FileDescriptor(number)
  }

  /// Whether this process has the file for itself, until it is closed.
  static func lock(_ file: Int32) -> Bool { flock(file, LOCK_EX | LOCK_NB) == 0 }

  static func size(_ file: Int32) -> Int { max(0, lseek(file, 0, SEEK_END)) }

  /// Renames a file, and sees to it that the folder knows.
  static func rename(_ from: String, _ to: String) throws(SystemError) {
    guard unsafe Glibc.rename(from, to) == 0 else { throw SystemError(to) }
    let folder = to.lastIndex(of: "/").map { String(to[..<$0]) } ?? "."
    let descriptor = try open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY)
    fsync(descriptor.number)
  }

  /// Takes a file's name away, if it has one.
  static func unlink(_ path: String) { unsafe _ = Glibc.unlink(path) }

  /// The user of this process.
  static var user: UInt32 { geteuid() }

  /// A pipe: the end that is read and the end that is written.
  static func pipe() throws(SystemError) -> (FileDescriptor, FileDescriptor) {
    var ends: [Int32] = [0, 0]
    let answer = unsafe dpu_pipe(&ends)
    guard answer >= 0 else { throw SystemError("a pipe", answer: answer) }
    return (FileDescriptor(ends[0]), FileDescriptor(ends[1]))
  }

  /// Writes one byte to a pipe.
  static func poke(_ pipe: Int32) {
    let byte: [UInt8] = [1]
    unsafe _ = Glibc.write(pipe, byte, 1)
  }

  // Sockets.

  private static func descriptor(_ answer: Int32, _ place: String) throws(SystemError) -> FileDescriptor {
    guard answer >= 0 else { throw SystemError(place, answer: answer) }
    return FileDescriptor(answer)
  }

  /// Listens at a path with mode 0660. A socket nobody listens at any more is taken over.
  static func listen(path: String, group: String?) throws(SystemError) -> FileDescriptor {
    if (try? connect(path: path, timeout: 1)) != nil { throw SystemError(path, answer: -EADDRINUSE) }
    let socket = try descriptor(unsafe dpu_control_listen(path), path)
    if let group {
      guard let entry = unsafe getgrnam(group) else { throw SystemError("the group '\(group)'", answer: -ENOENT) }
      guard unsafe chown(path, uid_t.max, entry.pointee.gr_gid) == 0 else { throw SystemError(path) }
    }
    return socket
  }

  /// Listens at a path for packets; a socket nobody listens at any more is taken over.
  static func listenPackets(path: String) throws(SystemError) -> FileDescriptor {
    try descriptor(unsafe dpu_packet_listen(path), path)
  }

  /// Connects to a path; reads and writes wait `timeout` seconds at most.
  static func connect(path: String, timeout: Double) throws(SystemError) -> FileDescriptor {
    try descriptor(unsafe dpu_control_connect(path, timeout), path)
  }

  /// Reads and writes wait this many seconds at most; 0 for ever.
  static func setTimeout(_ socket: Int32, _ seconds: Double) { _ = dpu_set_timeout(socket, seconds) }

  /// Listens at a TCP port of the loopback address.
  static func listen(loopback port: UInt16) throws(SystemError) -> FileDescriptor {
    try descriptor(dpu_loopback_listen(port), "127.0.0.1:\(port)")
  }

  /// The next connection; nil when none waits.
  static func accept(_ listener: Int32) throws(SystemError) -> FileDescriptor? {
    let answer = dpu_accept(listener)
    if [-EAGAIN, -EINTR, -ECONNABORTED].contains(answer) { return nil }
    return try descriptor(answer, "accept")
  }

  /// Who is at the other end of a unix socket.
  static func peer(_ socket: Int32) -> Peer? {
    var three: [UInt32] = [0, 0, 0]
    guard unsafe dpu_peer(socket, &three) == 0 else { return nil }
    return Peer(process: Int32(truncatingIfNeeded: three[0]), user: three[1], group: three[2])
  }

  /// The groups of who is at the other end, beside the first.
  static func peerGroups(_ socket: Int32) -> [UInt32] {
    var groups = [UInt32](repeating: 0, count: 1024)
    let count = unsafe dpu_peer_groups(socket, &groups, 1024)
    return Array(groups.prefix(Int(max(0, count))))
  }

  /// The group that a file belongs to.
  static func group(of path: String) -> UInt32? {
    var status = stat()
    return unsafe stat(path, &status) == 0 ? status.st_gid : nil
  }

  /// Sends a datagram to a unix socket, and tells nobody when that fails.
  static func notify(path: String, _ text: String) {
    unsafe _ = dpu_control_notify(path, text, UInt32(text.utf8.count))
  }

  /// Binds the calling thread to a core.
  static func pin(core: Int) throws(SystemError) {
    let answer = dpu_pin(Int32(clamping: core))
    guard answer == 0 else { throw SystemError("core \(core)", answer: answer) }
  }

  /// Gives the calling thread a name that `top -H` shows.
  static func nameThread(_ name: String) { unsafe dpu_name_thread(name) }

  /// Lets this process open as many files as it may.
  static func raiseFileLimit() { _ = dpu_raise_file_limit() }
}

/// Waits for many descriptors at once.
final class Epoll {
  private let descriptor: FileDescriptor
  private var numbers = [Int32](repeating: 0, count: 256)
  private var ready = [UInt8](repeating: 0, count: 256)

  init() throws(SystemError) {
    let answer = dpu_epoll_create()
    guard answer >= 0 else { throw SystemError("epoll", answer: answer) }
    descriptor = FileDescriptor(answer)
  }

  /// What to wait for at a descriptor.
  func set(_ number: Int32, reads: Bool, writes: Bool, isNew: Bool) throws(SystemError) {
    let answer = dpu_epoll_set(descriptor.number, number, reads ? 1 : 0, writes ? 1 : 0, isNew ? 1 : 0)
    guard answer == 0 else { throw SystemError("epoll", answer: answer) }
  }

  func remove(_ number: Int32) { dpu_epoll_remove(descriptor.number, number) }

  /// What is ready within `milliseconds`.
  func wait(milliseconds: Int) -> [(number: Int32, reads: Bool, writes: Bool)] {
    let count = unsafe dpu_epoll_wait(descriptor.number, &numbers, &ready, 256, Int32(milliseconds))
    return (0..<Int(max(0, count))).map { (numbers[$0], ready[$0] & 1 != 0, ready[$0] & 2 != 0) }
  }
}
