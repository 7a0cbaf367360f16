import Device
import Ports

/// Frames of capture files, each with the port it comes in through, in the order of their time stamps.
public enum CaptureInput {
  /// Something wrong with an `--in`.
  public struct UnknownPort: Error, CustomStringConvertible {
    /// The sentence.
    public var description: String
  }

  /// Reads captures. An entry is `FILE`, whose frames are each given to the tenant port that has their source address
  /// and else to the first uplink, or `PORT=FILE`, whose frames all came in through that port.
  ///
  /// A damaged file gives the frames before the damage, and `note` is told what is wrong.
  public static func read(
    _ entries: [String], for configuration: Configuration, note: (String) -> Void = { _ in }
  ) throws -> [Verifier.Input] {
    var inputs: [Verifier.Input] = []
    for entry in entries {
      let parts = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let named = parts.count == 2 ? configuration.port(named: parts[0]) : nil
      if parts.count == 2, named == nil {
        throw UnknownPort(
          description: "--in \(entry): no port is called '\(parts[0])' (there are "
            + configuration.ports.map(\.name).joined(separator: ", ") + ")")
      }
      let path = parts.count == 2 ? parts[1] : entry
      let file = try frames(of: path) { named?.port.id ?? configuration.port(of: $0) }
      inputs += file.inputs
      if let damage = file.damage { note("\(damage); the frames before it are used") }
      if file.cut > 0 { note("\(path): \(file.cut) frames were captured short and are used as they are") }
    }
    // A stable order: frames of one time stay in the order of the files.
    return inputs.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }.map(\.element)
  }
}

extension CaptureInput {
  /// There are not as many frames.
  public struct MissingFrame: Error, CustomStringConvertible {
    /// The sentence.
    public var description: String
  }

  /// The bytes of frame `number`, from 1, of a capture.
  public static func frame(_ number: Int, of path: String) throws -> [UInt8] {
    var reader = try CaptureReader(path: path)
    while try reader.next() != nil {
      if reader.count == number { return reader.array() }
    }
    throw MissingFrame(description: "\(path) has \(reader.count) frames, asked for \(number)")
  }
}

extension CaptureInput {
  /// What one file holds: its frames, what is wrong behind them, and how many were captured short.
  private struct File {
    var inputs: [Verifier.Input] = []
    var damage: String?
    var cut = 0
  }

  private static func frames(of path: String, port: ([UInt8]) -> UInt16) throws(CaptureError) -> File {
    var reader = try CaptureReader(path: path)
    var file = File()
    while let frame = try next(&reader, &file.damage) {
      let bytes = reader.array()
      var input = Verifier.Input(port: port(bytes), bytes: bytes, time: frame.time, isWellFormed: !frame.isTruncated)
      input.hasRightChecksums = false
      file.inputs.append(input)
    }
    file.cut = reader.truncatedCount
    return file
  }

  /// The next frame; nil at the end and at damage behind the first frame, which is told in `damage`.
  private static func next(_ reader: inout CaptureReader, _ damage: inout String?) throws(CaptureError)
    -> CapturedFrame?
  {
    do throws(CaptureError) {
      return try reader.next()
    } catch {
      if reader.count == 0 { throw error }
      damage = "\(error)"
      return nil
    }
  }
}

extension Configuration {
  /// The port a frame without a named port comes in through: a tenant's by its source address, else the first uplink.
  func port(of frame: [UInt8]) -> UInt16 {
    var source: UInt64 = 0
    if frame.count >= 12 { for byte in frame[6..<12] { source = source << 8 | UInt64(byte) } }
    let tenant = ports.first { $0.port.kind == .tenant && $0.port.mac == source && source != 0 }
    return (tenant ?? ports.first { $0.port.kind == .uplink } ?? ports[0]).port.id
  }
}
