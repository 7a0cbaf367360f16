extension DropReason {
  /// Name and sentence, beside each other so that neither is forgotten.
  var words: (name: String, sentence: String) {
    switch self {
    case .rule: ("rule", "A rule said to drop the frame.")
    case .noRule: ("no_rule", "No rule matched, and the port drops what no rule wants.")
    case .noFate: ("no_fate", "The rule that matched ends without sending the frame anywhere.")
    case .runt: ("runt", "The frame is shorter than an Ethernet header.")
    case .headersTooLong: ("headers_too_long", "The headers reach past 510 bytes.")
    case .outerFragment: ("outer_fragment", "A fragment of a tunnel packet, and reassembly is not configured.")
    case .fragmentOverlap: ("fragment_overlap", "Fragments of one packet overlap.")
    case .fragmentTimeout: ("fragment_timeout", "Fragments did not become a whole packet in time.")
    case .fragmentMemory: ("fragment_memory", "No memory is left for fragments.")
    case .fragmentMalformed: ("fragment_malformed", "A fragment's length or offset is impossible.")
    case .outerIPv4Checksum: ("outer_ipv4_checksum", "The outer IPv4 header checksum is wrong.")
    case .outerUDPChecksum: ("outer_udp_checksum", "The outer UDP checksum is wrong.")
    case .zeroUDPChecksumIPv6:
      ("zero_udp_checksum_ipv6", "The outer UDP checksum over IPv6 is zero, which this port does not allow.")
    case .outerUDPLength: ("outer_udp_length", "The outer UDP length does not agree with the IP length.")
    case .geneveVersion: ("geneve_version", "The Geneve version is not 0.")
    case .geneveOptions: ("geneve_options", "The lengths of the Geneve options do not add up.")
    case .geneveControl: ("geneve_control", "A Geneve control packet (O bit), which is never forwarded.")
    case .geneveCriticalOption: ("geneve_critical_option", "A critical Geneve option is not known here.")
    case .geneveCriticalBit:
      ("geneve_critical_bit", "A Geneve option is critical, but the header's C bit is not set.")
    case .tunnelProtocol: ("tunnel_protocol", "What is inside the tunnel is not Ethernet, IPv4 or IPv6.")
    case .vxlanNoVNI: ("vxlan_no_vni", "The VXLAN header has no valid network identifier (I flag).")
    case .vxlanInnerVLAN: ("vxlan_inner_vlan", "A VLAN tag inside VXLAN, which is not configured.")
    case .greReserved: ("gre_reserved", "Reserved GRE bits or the GRE version are set.")
    case .greChecksum: ("gre_checksum", "The GRE checksum is wrong.")
    case .nvgreReservedVSID: ("nvgre_reserved_vsid", "The NVGRE network identifier is a reserved one.")
    case .nvgreInnerVLAN: ("nvgre_inner_vlan", "A VLAN tag inside NVGRE, which the RFC forbids.")
    case .tunnelTruncated: ("tunnel_truncated", "The tunnel header does not fit in the packet.")
    case .innerTruncated: ("inner_truncated", "What is inside the tunnel is too short to be a frame.")
    case .ecnNotCapable:
      ("ecn_not_capable", "Congestion was experienced outside, and the inner packet is not ECN-capable.")
    case .decapsulateMismatch:
      ("decapsulate_mismatch", "The rule removes a tunnel that the frame does not have.")
    case .missingEthernet: ("missing_ethernet", "The frame has no Ethernet header where one is needed.")
    case .ttlExpired: ("ttl_expired", "The TTL or hop limit ran out.")
    case .tooBig: ("too_big", "The frame is too big for the uplink after encapsulation.")
    case .exceedsPortMTU: ("exceeds_port_mtu", "The frame is bigger than the MTU of the port it goes to.")
    case .noHeadroom: ("no_headroom", "There is no room for the outer header.")
    case .noBuffer: ("no_buffer", "No buffer is left.")
    case .noSuchPort: ("no_such_port", "The rule names a port that is not there.")
    case .noSuchEncapsulation: ("no_such_encapsulation", "The rule names an encapsulation that is not there.")
    case .jumpLoop: ("jump_loop", "The rules jump in a circle.")
    case .malformedDebt: ("malformed_debt", "An owed checksum or segmentation does not fit the frame.")
    case .lostInDevice: ("lost_in_device", "The device had taken the frame and was lost.")
    case .transmitFull: ("transmit_full", "The port's queue had no room for the frame.")
    case .transmitRefused: ("transmit_refused", "What stands behind the port refused the frame.")
    case .linkDown: ("link_down", "The port's link is down.")
    case .virtioHeader: ("virtio_header", "The frame's virtio-net header does not fit the frame.")
    case .receiveTruncated: ("receive_truncated", "The frame was longer than 65,535 bytes.")
    case .portRate: ("port_rate", "The port's owner sent more than the port's rate.")
    case .foreignSource: ("foreign_source", "The port's owner sent from an address that is not the port's.")
    case .hostRate: ("host_rate", "There was more for or from the host than the host port's rate.")
    case .noRoute: ("no_route", "There is no route to where the tunnel ends.")
    case .nextHopFull: ("next_hop_full", "Too many frames wait for the next hop's address.")
    case .nextHopTimeout: ("next_hop_timeout", "The next hop did not say its address in time.")
    case .noController: ("no_controller", "No rule matched, and no controller is there to be asked for one.")
    case .controllerRate:
      ("controller_rate", "No rule matched, and more flows were new than the controller is told in a second.")
    case .controllerFull: ("controller_full", "No rule matched, and too many frames wait for the controller already.")
    case .controllerTimeout:
      ("controller_timeout", "No rule matched, and the controller did not answer in time, or said to drop.")
    }
  }
}
