import Device
import Wire

extension DropReason {
  /// The reason of the same name; for a sound tunnel, which has none, `decapsulateMismatch`.
  init(_ fault: TunnelFault) {
    switch fault {
    case .none: self = .decapsulateMismatch
    case .tunnelTruncated: self = .tunnelTruncated
    case .geneveVersion: self = .geneveVersion
    case .geneveOptions: self = .geneveOptions
    case .geneveControl: self = .geneveControl
    case .geneveCriticalBit: self = .geneveCriticalBit
    case .geneveCriticalOption: self = .geneveCriticalOption
    case .tunnelProtocol: self = .tunnelProtocol
    case .innerTruncated: self = .innerTruncated
    case .vxlanNoVNI: self = .vxlanNoVNI
    case .vxlanInnerVLAN: self = .vxlanInnerVLAN
    case .greReserved: self = .greReserved
    case .greChecksum: self = .greChecksum
    }
  }
}
