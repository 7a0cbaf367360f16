public import Wire

// Raw loads, because a checked load a field costs more than the whole lookup. The reason they are in bounds: HeaderStack
// sets an offset only when the layer's header fits in the frame. Oracle: KeyTests (every field against [UInt8]).
extension FlowKey {
  /// Fills the key at `words` (``stride`` words) from a frame's headers.
  ///
  /// `base` and `count` are the bytes that `stack` was parsed from. Words of line 0 are always written, the others only
  /// when the frame has them. Geneve option words are ``OptionSlots``' business.
  @inlinable @inline(__always)
  static func extract(
    into words: UnsafeMutablePointer<UInt64>, stack: HeaderStack, base: UnsafeRawPointer, count: Int, inPort: UInt16
  ) {
    var meta = UInt64(inPort)
    meta |= unsafe extractLevel(words, 0, stack.outer, base, count) &<< 16
    if stack.hasSoundTunnel {
      meta |= unsafe extractLevel(words, 1, stack.inner, base, count) &<< 28
      meta |= unsafe extractTunnel(words, stack, base)
    } else {
      unsafe words[Layout.tunnel] = 0
    }
    unsafe words[Layout.meta] = meta
  }

  @inlinable @inline(__always)
  static func extractLevel(
    _ words: UnsafeMutablePointer<UInt64>, _ level: Int, _ layers: LayerStack, _ base: UnsafeRawPointer, _ count: Int
  ) -> UInt64 {
    let out = unsafe words + Layout.level(level)
    var extra: UInt64 = 0
    var presence = UInt64(layers.l3Kind.rawValue) &<< 3 | ((1 &<< UInt64(layers.l4Kind.rawValue)) &>> 1) &<< 5
    if layers.hasEthernet {
      let l2 = Int(layers.l2)
      unsafe out[Layout.ethernet0] = load64(base, l2)
      // 14 bytes are there; the two behind them mostly are.
      unsafe out[Layout.ethernet1] =
        count &- l2 >= 16
        ? load64(base, l2 &+ 8) : UInt64(load32(base, l2 &+ 8)) | UInt64(load16(base, l2 &+ 12)) &<< 32
      presence |= Presence.ethernet
      if layers.vlanCount != 0 {
        extra = UInt64(unsafe load16(base, l2 &+ 16))
        presence |= Presence.tag0
        if layers.vlanCount > 1 {
          extra |= UInt64(unsafe load32(base, l2 &+ 18)) &<< 16
          presence |= Presence.tag1
        }
      }
    } else {
      unsafe out[Layout.ethernet0] = 0
      unsafe out[Layout.ethernet1] = 0
    }
    let l3 = Int(layers.l3)
    if layers.l3Kind == .ipv4 {
      extra |= UInt64(unsafe base.load(fromByteOffset: l3 &+ 1, as: UInt8.self)) &<< 48
      unsafe out[Layout.network] = load64(base, l3 &+ 4)
      unsafe out[Layout.addresses] = load64(base, l3 &+ 12)
    } else if layers.l3Kind == .ipv6 {
      unsafe out[Layout.network] = load64(base, l3)
      unsafe out[Layout.addresses] = 0
      let address = unsafe words + Layout.ipv6(level)
      unsafe address[0] = load64(base, l3 &+ 8)
      unsafe address[1] = load64(base, l3 &+ 16)
      unsafe address[2] = load64(base, l3 &+ 24)
      unsafe address[3] = load64(base, l3 &+ 32)
      if layers.hasFragmentHeader { presence |= Presence.fragmentHeader }
    } else {
      unsafe out[Layout.network] = 0
      unsafe out[Layout.addresses] = 0
    }
    let l4 = Int(layers.l4)
    switch layers.l4Kind {
    case .none:
      unsafe out[Layout.transport] = 0
    case .gre:
      unsafe out[Layout.transport] = UInt64(load32(base, l4))
    case .tcp:
      extra |= UInt64(unsafe base.load(fromByteOffset: l4 &+ 13, as: UInt8.self)) &<< 56
      unsafe out[Layout.transport] = load64(base, l4)
    default:
      unsafe out[Layout.transport] = load64(base, l4)
    }
    unsafe out[Layout.extra] = extra
    return presence
  }

  @inlinable @inline(__always)
  static func extractTunnel(
    _ words: UnsafeMutablePointer<UInt64>, _ stack: HeaderStack, _ base: UnsafeRawPointer
  ) -> UInt64 {
    unsafe words[Layout.tunnel] =
      UInt64(stack.tunnelKey) | UInt64(stack.tunnelProtocol) &<< 32 | UInt64(stack.optionsLength &>> 2) &<< 48
    switch stack.tunnel {
    case .geneve: return Presence.geneve
    case .vxlan: return Presence.vxlan
    case .gre:
      return Presence.gre | (stack.isNVGRE ? Presence.nvgre : 0) | (stack.hasKey ? Presence.greKey : 0)
    case .none: return 0
    }
  }

  @inlinable @inline(__always)
  static func load16(_ base: UnsafeRawPointer, _ at: Int) -> UInt16 {
    unsafe UInt16(littleEndian: base.loadUnaligned(fromByteOffset: at, as: UInt16.self))
  }

  @inlinable @inline(__always)
  static func load32(_ base: UnsafeRawPointer, _ at: Int) -> UInt32 {
    unsafe UInt32(littleEndian: base.loadUnaligned(fromByteOffset: at, as: UInt32.self))
  }

  @inlinable @inline(__always)
  static func load64(_ base: UnsafeRawPointer, _ at: Int) -> UInt64 {
    unsafe UInt64(littleEndian: base.loadUnaligned(fromByteOffset: at, as: UInt64.self))
  }
}
