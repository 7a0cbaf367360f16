import Foundation

/// A tar archive (POSIX.1-1988, ustar) of files that are written one after the other.
public struct TarWriter {
  /// Why a file cannot be in it.
  public struct Problem: Error, CustomStringConvertible {
    /// The sentence.
    public var description: String
  }
  /// The archive so far; ``finish()`` gives it with its end.
  private var bytes: [UInt8] = []

  /// An empty archive.
  public init() {}

  /// Adds a file; `name` has at most 255 bytes, and no part of it more than 100.
  ///
  /// - Throws: ``Problem``.
  public mutating func add(_ name: String, _ content: [UInt8], time: UInt64) throws(Problem) {
    var header = [UInt8](repeating: 0, count: 512)
    func put(_ text: some Sequence<UInt8>, at place: Int) {
      for (index, byte) in text.enumerated() { header[place + index] = byte }
    }
    func octal(_ value: UInt64, _ width: Int) -> [UInt8] {
      let digits = Array(String(value, radix: 8).utf8)
      return [UInt8](repeating: 0x30, count: max(0, width - digits.count)) + digits
    }
    var last = Array(name.utf8), prefix: [UInt8] = []
    if last.count > 100 {
      // The name's end begins behind a slash.
      guard let slash = last.indices.first(where: { last[$0] == 0x2f && last.count - $0 - 1 <= 100 }), slash <= 155
      else { throw Problem(description: "\(name): too long for an archive") }
      prefix = Array(last[..<slash])
      last = Array(last[(slash + 1)...])
    }
    guard !last.isEmpty, content.count < 1 << 33 else { throw Problem(description: "\(name): no file of an archive") }
    put(last, at: 0)
    put(octal(0o644, 7), at: 100)
    put(octal(0, 7), at: 108)
    put(octal(0, 7), at: 116)
    put(octal(UInt64(content.count), 11), at: 124)
    put(octal(time, 11), at: 136)
    put([UInt8](repeating: 0x20, count: 8), at: 148)
    header[156] = 0x30
    put("ustar\u{0}00".utf8, at: 257)
    put(prefix, at: 345)
    let sum = header.reduce(UInt64(0)) { $0 + UInt64($1) }
    put(octal(sum, 6) + [0, 0x20], at: 148)
    bytes += header
    bytes += content
    bytes += [UInt8](repeating: 0, count: -content.count & 511)
  }

  /// The whole archive.
  public func finish() -> [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }
}
