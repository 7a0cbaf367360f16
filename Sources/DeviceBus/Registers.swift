public import Device
public import Memory
public import Virtqueue

/// The device's registers: words of the shared region's first page, each written by one side only.
///
/// | offset | bytes | written by | what |
/// |---|---|---|---|
/// | 0 | 64 | driver, once | region header: kind 3, version 1 |
/// | 64 | 16 | driver, once | le32 pairs, input size, output size, flags (1: packed) |
/// | 128 | 8 | driver | le64 generation that is wanted; a new number resets the device |
/// | 136 | 8 | driver | le64 generation whose rings are laid out |
/// | 192 | 8 | device | le64 generation that it serves: written when a reset is done and nothing older is touched any more |
/// | 200 | 8 | device | le64 status bits (``Status``) |
/// | 208 | 8 | device | le64 number of its reason for `failed` (``RingFault``'s number) |
/// | 216 | 8 | device | le64 chains served since it started |
/// | 224 | 8 | device | le64 drop that it found in the frame given back last, for software to name; 0 for none |
///
/// Generation 0 is none. After a reset is asked for, the driver touches no ring before the device serves that generation
/// or is gone, and the device looks at none before the driver has laid them out.
public struct Registers: Sendable {
  /// What the device says of itself.
  public struct Status: OptionSet, Sendable {
    /// The bits.
    public let rawValue: UInt64
    /// From bits.
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    /// It has its profile and takes rules and frames.
    public static var started: Status { Status(rawValue: 1) }
    /// It reset itself: its rules are gone, and it takes nothing before it is reset.
    public static var needsReset: Status { Status(rawValue: 2) }
    /// The driver broke the rules of a ring; it serves nothing before it is reset.
    public static var failed: Status { Status(rawValue: 4) }
  }

  /// The region's kind in its header.
  public static let kind: UInt32 = 3
  /// The layout's version; both sides have the same.
  public static let version: UInt32 = 1
  static let layout = "registers:4096 admin:16x65536 frame-header:80 buffer:66624"

  private let page: SharedBytes

  /// The registers of `region`, which has at least a page.
  public init(_ region: SharedBytes) { page = region.slice(0, count: BusLayout.registerBytes) }

  /// Writes a fresh region's header and layout, before the device sees it.
  public func create(_ layout: BusLayout) {
    page.store32(UInt32(layout.pairs), at: 64)
    page.store32(UInt32(layout.inputSize), at: 68)
    page.store32(UInt32(layout.outputSize), at: 72)
    page.store32(layout.isPacked ? 1 : 0, at: 76)
    for offset in [128, 136, 192, 200, 208, 216, 224] { page.store64(0, at: offset) }
    RegionHeader(kind: Self.kind, version: Self.version, layout: Self.layout, bytes: layout.bytes).write(to: page)
  }

  /// The layout that a driver wrote, checked against the region's size.
  ///
  /// - Throws: ``BusError``.
  public static func attach(_ region: SharedBytes) throws(BusError) -> BusLayout {
    guard region.count >= BusLayout.registerBytes else {
      throw .tooSmall(needed: BusLayout.registerBytes, bytes: region.count)
    }
    let (pairs, input) = (region.load32(64), region.load32(68))
    let (output, flags) = (region.load32(72), region.load32(76))
    let layout: BusLayout
    do throws(RingFault) {
      layout = try BusLayout(
        pairs: Int(pairs), inputSize: Int(input), outputSize: Int(output), isPacked: flags & 1 != 0)
    } catch { throw .layout(error) }
    guard layout.bytes <= region.count else { throw .tooSmall(needed: layout.bytes, bytes: region.count) }
    do throws(SharedMemoryError) {
      _ = try RegionHeader(kind: kind, version: version, layout: self.layout, bytes: layout.bytes).takeOver(region)
    } catch { throw .header(error) }
    return layout
  }

  /// The generation that the driver wants.
  public var wanted: UInt64 { page.acquire64(128) }
  /// Asks for a generation: the driver's.
  public func want(_ generation: UInt64) { page.release64(generation, at: 128) }
  /// The generation whose rings are laid out.
  public var laidOut: UInt64 { page.acquire64(136) }
  /// Says that a generation's rings are laid out: the driver's.
  public func layOut(_ generation: UInt64) { page.release64(generation, at: 136) }
  /// The generation that the device serves.
  public var served: UInt64 { page.acquire64(192) }
  /// Says which generation is served: the device's.
  public func serve(_ generation: UInt64) { page.release64(generation, at: 192) }
  /// What the device says of itself.
  public var status: Status { Status(rawValue: page.acquire64(200)) }
  /// Says it: the device's.
  public func set(_ status: Status) { page.release64(status.rawValue, at: 200) }
  /// Why the device failed; nil for none that is known.
  public var reason: RingFault? {
    RingFault(rawValue: UInt8(truncatingIfNeeded: page.load64(208)))
  }
  /// Says why: the device's.
  public func set(reason: RingFault) { page.store64(UInt64(reason.rawValue), at: 208) }
  /// The drop that was found in the frame given back last.
  public var foundDrop: DropReason? { DropReason(rawValue: UInt8(truncatingIfNeeded: page.load64(224))) }
  /// Says it: the device's, before the frame's buffer is given back.
  public func set(foundDrop: DropReason?) { page.store64(UInt64(foundDrop?.rawValue ?? 0), at: 224) }
  /// Chains that the device served.
  public var progress: UInt64 { page.load64(216) }
  /// Says it: the device's.
  public func set(progress: UInt64) { page.store64(progress, at: 216) }
}

/// Why a device cannot be attached to a region.
public enum BusError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The region ends before its layout does.
  case tooSmall(needed: Int, bytes: Int)
  /// The numbers give no layout.
  case layout(RingFault)
  /// The region's header is another one.
  case header(SharedMemoryError)

  /// The sentence a user reads.
  public var description: String {
    switch self {
    case .tooSmall(let needed, let bytes): "the device's memory has \(bytes) bytes, and its layout needs \(needed)"
    case .layout(let fault): "the device's memory describes rings that cannot be: \(fault.sentence)"
    case .header(let error): "\(error)"
    }
  }
}
