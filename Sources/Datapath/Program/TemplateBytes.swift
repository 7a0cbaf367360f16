import Memory
import Rules

/// The Ethernet addresses in front of an encapsulation: who the next hop is, and who sends.
public struct OuterAddresses: Equatable, Hashable, Sendable {
  /// Index of the encapsulation.
  public var index: UInt16
  /// The next hop's address, 48 bits; 0 while it is not known.
  public var destination: UInt64
  /// The uplink's address, 48 bits.
  public var source: UInt64

  /// Addresses of the encapsulation `index`.
  public init(index: UInt16, destination: UInt64, source: UInt64) {
    self.index = index
    self.destination = destination
    self.source = source
  }
}

/// The bytes of all header templates, twice: one half is seen by queues, the other is changed and then shown, so that all
/// encapsulations change at once. Each header stands at the end of its slot, so that whole blocks that end where the header
/// ends can be copied in front of a frame.
final class TemplateBytes {
  private let region: Region
  private let count: Int
  // Offsets of the headers' first bytes in their slots.
  private var starts: [Int]
  private var slots: [UInt16: Int] = [:]
  private(set) var addresses: [OuterAddresses] = []
  /// Word 0: which half is seen.
  private let half: SharedTable<UInt64>

  /// - Throws: ``DatapathError/memory(_:)``, ``DatapathError/malformedTemplate(index:)``.
  init(_ encapsulations: [(index: UInt16, value: Encapsulation)]) throws(DatapathError) {
    count = encapsulations.count
    half = try SharedTable.make(count: 1)
    let region: Region
    do throws(ArenaError) {
      region = try Region(bytes: max(1, 2 * count) * TemplateStore.slotSize)
    } catch {
      throw .memory(error)
    }
    let bytes = region.bytes
    var starts: [Int] = []
    var addresses: [OuterAddresses] = []
    let count = count
    _ = try TemplateStore.compile(encapsulations) { slot, header in
      let start = TemplateStore.slotSize - header.count
      for half in 0..<2 { bytes.copy(header, at: (half * count + slot) * TemplateStore.slotSize + start) }
      starts.append(start)
      let number = { (from: Int) in header[from..<from + 6].reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
      addresses.append(
        OuterAddresses(index: encapsulations[slot].index, destination: number(0), source: number(6)))
    }
    for (slot, entry) in encapsulations.enumerated() { slots[entry.index] = slot }
    self.region = region
    self.starts = starts
    self.addresses = addresses
  }

  /// All bytes, valid as long as this lives.
  var window: Bytes { region.bytes }
  /// Word 0 says which half is seen.
  var halfView: TableView<UInt64> { half.view }

  /// Writes addresses into the half that nobody sees, and shows it. Nobody may look at that half any more. Encapsulations
  /// that are not there are let alone.
  func show(_ changes: [OuterAddresses]) {
    for change in changes {
      if let slot = slots[change.index] { addresses[slot] = change }
    }
    let next = 1 - Int(half.view.acquire(0) & 1)
    for (slot, address) in addresses.enumerated() {
      let at = (next * count + slot) * TemplateStore.slotSize + starts[slot]
      window.store(UInt16(truncatingIfNeeded: address.destination >> 32), at: at)
      window.store(UInt32(truncatingIfNeeded: address.destination), at: at + 2)
      window.store(UInt16(truncatingIfNeeded: address.source >> 32), at: at + 6)
      window.store(UInt32(truncatingIfNeeded: address.source), at: at + 8)
    }
    half.publish(UInt64(next), at: 0)
  }
}
