public import Device
import Memory
import Wire

/// Makes a whole frame a half-done one, as a guest with checksum and segmentation offload hands it over.
public struct DebtMaker: Sendable, Equatable {
  /// The transport checksum is owed.
  public var checksum = false
  /// TCP and UDP segmentation is owed where the payload is longer than this many bytes; 0 for never.
  public var segmentSize = 0

  /// Nothing owed.
  public init() {}

  /// Debts in the words of `--owed`: `csum`, `tso` (which needs and implies `csum`).
  ///
  /// - Throws: the word that is none.
  public init(words: [String], segmentSize: Int = 536) throws(UnknownWord) {
    for word in words {
      switch word {
      case "csum": checksum = true
      case "tso":
        checksum = true
        self.segmentSize = segmentSize
      default: throw UnknownWord(word: word)
      }
    }
  }

  /// A word of `--owed` that is none.
  public struct UnknownWord: Error, CustomStringConvertible {
    /// The word.
    public var word: String
    /// The sentence.
    public var description: String { "--owed takes csum and tso, found '\(word)'" }
  }

  /// Puts the debts on a frame whose transport header is TCP or UDP with a checksum; others stay as they are.
  ///
  /// - Returns: whether the frame owes something now.
  @discardableResult
  public func owe(_ frame: inout Frame, endpoint: EndpointPolicy) -> Bool {
    guard checksum else { return false }
    let bytes = frame.bytes
    let parsed: HeaderStack
    do throws(ParseDrop) {
      parsed = try HeaderStack.parse(bytes.span, options: ParseOptions(lookIntoTunnels: false))
    } catch { return false }
    let layer = parsed.outer
    let l3 = Int(layer.l3), l4 = Int(layer.l4)
    let isTCP = layer.l4Kind == .tcp
    guard isTCP || layer.l4Kind == .udp else { return false }
    let length = Int(layer.l3End) - l4
    // A tunnel's datagram is nobody's segmentation, and a zero checksum owes nothing.
    if !isTCP {
      let port = bytes.u16(l4 + 2)
      guard bytes.u16(l4 + 6) != 0, port != endpoint.genevePort, port != endpoint.vxlanPort,
        Int(bytes.u16(l4 + 4)) == length
      else { return false }
    }
    guard
      let pseudo = InternetChecksum.pseudoHeader(
        of: bytes.from(l3).span, proto: isTCP ? 6 : 17, length: UInt32(length))
    else { return false }
    let headers = l4 + (isTCP ? Int(bytes[l4 + 12] >> 4) * 4 : 8)
    let place = isTCP ? 16 : 6
    frame.checksumStart = l4
    frame.checksumOffset = UInt8(place)
    frame.owed.insert(.checksum)
    bytes.store(pseudo, at: l4 + place)
    let payload = Int(layer.l3End) - headers
    if segmentSize > 0, payload > segmentSize, headers <= Frame.largestOffset {
      frame.owed.insert(isTCP ? .tcpSegmentation : .udpSegmentation)
      frame.segmentSize = UInt16(clamping: segmentSize)
      frame.segmentHeaderLength = headers
    }
    return true
  }
}
