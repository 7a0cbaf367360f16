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
      var reader = try CaptureReader(path: path)
      do throws(CaptureError) {
        while let frame = try reader.next() {
          let bytes = reader.array()
          let port = named?.port.id ?? configuration.port(of: bytes)
          inputs.append(Verifier.Input(port: port, bytes: bytes, time: frame.time, isWellFormed: !frame.isTruncated))
        }
      } catch  where error.frame > 0 {
        note("\(error); the frames before it are used")
      }
      if reader.truncatedCount > 0 {
        note("\(path): \(reader.truncatedCount) frames were captured short and are used as they are")
      }
    }
    // A stable order: frames of one time stay in the order of the files.
    return inputs.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }.map(\.element)
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
