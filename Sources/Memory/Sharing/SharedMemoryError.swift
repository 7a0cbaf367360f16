/// Why memory could not be shared.
public enum SharedMemoryError: Error, Equatable, CustomStringConvertible {
  /// A system call failed.
  case system(String, errno: Int32)
  /// A size of 1 byte to 2^46 is asked for.
  case badSize(bytes: UInt64)
  /// The descriptor is no memory file.
  case notAMemoryFile
  /// The peer's file ends before the part that it said to map.
  case fileTooShort(needed: UInt64, bytes: UInt64)
  /// All guards against truncation are in use: 1024 mappings.
  case tooManyRegions
  /// The region's header is not what this side reads: which field, what was expected and what was found.
  case header(field: String, expected: UInt64, found: UInt64)

  /// The sentence a user reads.
  public var description: String {
    switch self {
    case .system(let call, let errno): "\(call) failed (errno \(errno))"
    case .badSize(let bytes): "a shared region of \(bytes) bytes is not possible"
    case .notAMemoryFile: "the descriptor that was handed over is no memory file"
    case .fileTooShort(let needed, let bytes): "the memory file has \(bytes) bytes, and \(needed) were to be mapped"
    case .tooManyRegions: "1024 regions are mapped already"
    case .header(let field, let expected, let found):
      "the region's \(field) is \(found), and \(expected) was expected: it was written by another version"
    }
  }
}
