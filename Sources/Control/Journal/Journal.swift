#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The file that acknowledged changes are written to before they are acknowledged. README.md in this folder is its format.
public final class Journal {
  /// When the file is told to be on disk.
  public enum Sync: String, Sendable, CaseIterable {
    /// Before every acknowledgement: changes outlive the machine's power.
    case always
    /// Never: they outlive the process, however it ends.
    case never
  }

  /// Why a journal cannot be used.
  public enum Problem: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file cannot be opened, read or written.
    case system(SystemError)
    /// Another process has it.
    case locked(String)
    /// It is no journal, or one of another version.
    case notAJournal(String, found: String)
    /// A whole record in the middle is not what was written: the file was damaged, not cut.
    case damaged(String, offset: Int)

    /// The sentence.
    public var description: String {
      switch self {
      case .system(let error): error.description
      case .locked(let path): "\(path): another dpud has it"
      case .notAJournal(let path, let found):
        "\(path): expected a journal of version \(Journal.version), found \(found)"
      case .damaged(let path, let offset): "\(path): the record at byte \(offset) is not what was written"
      }
    }
  }

  /// The version of the format.
  public static let version: UInt32 = 1
  static let magic: [UInt8] = Array("DPUJRNL\n".utf8)
  static let headerSize = 16
  static let frameSize = 16
  /// The longest payload.
  static let longest = 1 << 26

  private let path: String
  private var file: FileDescriptor
  private let sync: Sync
  /// Bytes of the file that hold records, header included.
  public private(set) var size: Int
  /// Bytes behind the last whole record that were cut off when it was opened: a change that was never acknowledged.
  public let tornBytes: Int
  /// The number of the last change.
  public private(set) var lastNumber: UInt64

  /// Opens a journal, or makes one, and hands every record to `each` in order.
  ///
  /// A record that the end of the file cuts, or the last one when its sum is wrong, was being written when the process
  /// ended: it is cut off. A wrong sum with a whole record behind it is damage, and an error.
  public init(
    path: String, sync: Sync, each: (UInt64, JournalRecord) throws -> Void
  ) throws {
    self.path = path
    self.sync = sync
    let file = try Self.open(path)
    self.file = file
    guard SystemCalls.lock(file.number) else { throw Problem.locked(path) }
    let total = SystemCalls.size(file.number)
    var at = Self.headerSize
    var last: UInt64 = 0
    if total < Self.headerSize {
      try Self.call { () throws(SystemError) in
        try SystemCalls.write(file.number, Self.header[...], at: 0, place: path)
      }
    } else {
      try Self.check(file, path)
      while let (number, record, next) = try Self.read(file, path, at: at, total: total) {
        try each(number, record)
        last = number
        at = next
      }
    }
    tornBytes = max(0, total - at)
    size = at
    lastNumber = last
    if tornBytes > 0 { ftruncate(file.number, at) }
    if sync == .always { fdatasync(file.number) }
  }

  private static func open(_ path: String) throws -> FileDescriptor {
    try call { () throws(SystemError) in try SystemCalls.open(path, O_RDWR | O_CREAT) }
  }

  private static func call<T>(_ body: () throws(SystemError) -> T) throws(Problem) -> T {
    do throws(SystemError) { return try body() } catch { throw .system(error) }
  }

  private static var header: [UInt8] {
    var out = ByteWriter(bytes: magic)
    out.word(version)
    out.word(CRC32C.sum(out.bytes[...]))
    return out.bytes
  }

  private static func check(_ file: FileDescriptor, _ path: String) throws {
    let found = try call { () throws(SystemError) in
      try SystemCalls.read(file.number, headerSize, at: 0, place: path)
    }
    guard found != header else { return }
    guard Array(found.prefix(8)) == magic else { throw Problem.notAJournal(path, found: "another file") }
    throw Problem.notAJournal(path, found: "version \(found[8..<12].reduce(0) { $0 << 8 | Int($1) })")
  }

  /// The record at `at`; nil when there is no whole one.
  private static func read(
    _ file: FileDescriptor, _ path: String, at: Int, total: Int
  ) throws -> (UInt64, JournalRecord, Int)? {
    guard total - at >= frameSize else { return nil }
    let frame = try call { () throws(SystemError) in try SystemCalls.read(file.number, frameSize, at: at, place: path) }
    var reader = ByteReader(bytes: frame)
    guard let length = reader.word().map(Int.init), let sum = reader.word(), let number = reader.long() else {
      return nil
    }
    let end = at + frameSize + length
    guard length > 0, length <= longest else {
      // A length that cannot be: zeros behind the end of what was written, or damage.
      if try isBlank(file, path, at: at, total: total) { return nil }
      throw Problem.damaged(path, offset: at)
    }
    guard end <= total else { return nil }
    let payload = try call { () throws(SystemError) in
      try SystemCalls.read(file.number, length, at: at + frameSize, place: path)
    }
    guard CRC32C.sum(payload[...], after: CRC32C.sum(frame[8...])) == sum else {
      if end == total { return nil }
      if try isBlank(file, path, at: end, total: total) { return nil }
      throw Problem.damaged(path, offset: at)
    }
    guard let record = JournalRecord(payload: payload) else { throw Problem.damaged(path, offset: at) }
    return (number, record, end)
  }

  /// Whether there are zeros alone from here on, as a file system leaves them that grew the file first.
  private static func isBlank(_ file: FileDescriptor, _ path: String, at: Int, total: Int) throws -> Bool {
    var place = at
    while place < total {
      let bytes = try call { () throws(SystemError) in
        try SystemCalls.read(file.number, min(1 << 16, total - place), at: place, place: path)
      }
      guard !bytes.isEmpty else { return true }
      guard bytes.allSatisfy({ $0 == 0 }) else { return false }
      place += bytes.count
    }
    return true
  }

  static func frame(_ number: UInt64, _ payload: [UInt8]) -> [UInt8] {
    var numbered = ByteWriter()
    numbered.long(number)
    let sum = CRC32C.sum(payload[...], after: CRC32C.sum(numbered.bytes[...]))
    var out = ByteWriter()
    out.word(UInt32(payload.count))
    out.word(sum)
    return out.bytes + numbered.bytes + payload
  }

  /// Writes a record; when this returns, the change is as safe as ``Sync`` says.
  ///
  /// - Throws: ``Problem``; the file then ends where it did.
  public func append(_ record: JournalRecord) throws(Problem) -> UInt64 {
    let bytes = Self.frame(lastNumber + 1, record.payload)
    let (file, path, size) = (file, path, size)
    do throws(SystemError) {
      try SystemCalls.write(file.number, bytes[...], at: size, place: path)
      if sync == .always, fdatasync(file.number) != 0 { throw SystemError(path) }
    } catch {
      ftruncate(file.number, size)
      throw .system(error)
    }
    self.size += bytes.count
    lastNumber += 1
    return lastNumber
  }

  /// Lets another process have the file; nothing is written to it any more.
  public func close() {
    fdatasync(file.number)
    flock(file.number, LOCK_UN)
  }

  /// Writes a new file that holds these records alone, and puts it in the old one's place at once. All of them get the
  /// number of the last change.
  public func compact(_ records: (_ put: (JournalRecord) throws(Problem) -> Void) throws(Problem) -> Void)
    throws(Problem)
  {
    let path = path
    let next = path + ".new"
    SystemCalls.unlink(next)
    let new = try Self.call { () throws(SystemError) in try SystemCalls.open(next, O_RDWR | O_CREAT | O_EXCL) }
    guard SystemCalls.lock(new.number) else { throw .locked(next) }
    var pending = Self.header
    var written = 0
    let number = lastNumber
    func flush() throws(Problem) {
      let (bytes, at) = (pending, written)
      try Self.call { () throws(SystemError) in
        try SystemCalls.write(new.number, bytes[...], at: at, place: next)
      }
      written += pending.count
      pending = []
    }
    try records { (record) throws(Problem) in
      pending += Self.frame(number, record.payload)
      if pending.count > 1 << 20 { try flush() }
    }
    try flush()
    fsync(new.number)
    try Self.call { () throws(SystemError) in try SystemCalls.rename(next, path) }
    file = new
    size = written
  }
}
