import Device
import Memory
import Wire

/// The addresses of our tunnel endpoints: a list so short that it is walked.
struct EndpointAddresses: ~Copyable {
  private var ipv4: FlatTable<UInt32>
  private var ipv6: FlatTable<UInt128>

  init(_ policy: EndpointPolicy) {
    ipv4 = FlatTable(repeating: 0, count: policy.ipv4.count)
    for (index, address) in policy.ipv4.enumerated() { ipv4[index] = address }
    ipv6 = FlatTable(repeating: 0, count: policy.ipv6.count)
    for (index, address) in policy.ipv6.enumerated() { ipv6[index] = address }
  }

  /// Whether the packet of these layers is for us.
  func isDestination(_ bytes: Bytes, _ layers: LayerStack) -> Bool {
    let l3 = Int(layers.l3)
    switch layers.l3Kind {
    case .ipv4:
      let address = bytes.u32(l3 &+ 16)
      for index in 0..<ipv4.count where ipv4[index] == address { return true }
    case .ipv6:
      let address: UInt128 = bytes.load(l3 &+ 24)
      for index in 0..<ipv6.count where ipv6[index] == address { return true }
    case .none: break
    }
    return false
  }
}
