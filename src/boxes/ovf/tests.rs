use super::*;

/// What VirtualBox writes for a box with a disk on SATA and one e1000 card, shortened.
pub(in crate::boxes) const SATA: &str = r#"<?xml version="1.0"?>
<Envelope ovf:version="1.0" xml:lang="en-US" xmlns="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
  xmlns:vbox="http://www.virtualbox.org/ovf/machine">
  <References><File ovf:href="box-disk001.vmdk" ovf:id="file1"/></References>
  <DiskSection>
    <Info>List of the virtual disks</Info>
    <Disk ovf:capacity="42949672960" ovf:diskId="vmdisk1" ovf:fileRef="file1"/>
  </DiskSection>
  <VirtualSystem ovf:id="demo">
    <Info>A virtual machine</Info>
    <OperatingSystemSection ovf:id="94">
      <Description>Ubuntu_64</Description>
      <vbox:OSType ovf:required="false">Ubuntu_64</vbox:OSType>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Item><rasd:ElementName>2 virtual CPU</rasd:ElementName><rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item>
      <Item><rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits>
        <rasd:ElementName>384 MB of memory</rasd:ElementName><rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>384</rasd:VirtualQuantity></Item>
      <Item><rasd:Address>0</rasd:Address><rasd:ElementName>ideController0</rasd:ElementName>
        <rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceSubType>PIIX4</rasd:ResourceSubType>
        <rasd:ResourceType>5</rasd:ResourceType></Item>
      <Item><rasd:Address>0</rasd:Address><rasd:ElementName>sataController0</rasd:ElementName>
        <rasd:InstanceID>5</rasd:InstanceID><rasd:ResourceSubType>AHCI</rasd:ResourceSubType>
        <rasd:ResourceType>20</rasd:ResourceType></Item>
      <Item><rasd:AddressOnParent>0</rasd:AddressOnParent><rasd:ElementName>disk1</rasd:ElementName>
        <rasd:HostResource>/disk/vmdisk1</rasd:HostResource><rasd:InstanceID>8</rasd:InstanceID>
        <rasd:Parent>5</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
      <Item><rasd:Connection>NAT</rasd:Connection><rasd:ElementName>Ethernet adapter</rasd:ElementName>
        <rasd:InstanceID>9</rasd:InstanceID><rasd:ResourceSubType>E1000</rasd:ResourceSubType>
        <rasd:ResourceType>10</rasd:ResourceType></Item>
    </VirtualHardwareSection>
    <vbox:Machine ovf:required="false" version="1.16-linux" name="demo" OSType="Ubuntu_64">
      <Hardware>
        <Memory RAMSize="384"/>
        <Network><Adapter slot="0" enabled="true" MACAddress="080027AABBCC" type="82540EM"/></Network>
      </Hardware>
    </vbox:Machine>
  </VirtualSystem>
</Envelope>
"#;

fn with(from: &str, to: &str) -> Result<Ovf> {
    let text = SATA.replace(from, to);
    assert_ne!(text, SATA, "{from} is not in the sample");
    read(&text)
}

#[test]
fn virtualbox_with_sata() {
    let ovf = read(SATA).unwrap();
    let hardware = Hardware {
        arch: Arch::X86_64,
        memory_mib: 384,
        cpus: 2,
        firmware: Firmware::Bios,
        disk_controller: DiskController::Sata,
        nic: NicModel::E1000,
        base_mac: Some(Mac([8, 0, 0x27, 0xaa, 0xbb, 0xcc])),
    };
    assert_eq!(ovf, Ovf { hardware, disk: "box-disk001.vmdk".into(), notes: vec![] });
}

#[test]
fn what_virtualbox_of_other_days_writes() {
    let ide = with("<rasd:Parent>5<", "<rasd:Parent>3<").unwrap();
    assert_eq!(ide.hardware.disk_controller, DiskController::Ide);
    let scsi = with(
        "AHCI</rasd:ResourceSubType>\n        <rasd:ResourceType>20",
        "lsilogic</rasd:ResourceSubType>\n        <rasd:ResourceType>6",
    )
    .unwrap();
    assert_eq!(scsi.hardware.disk_controller, DiskController::LsiLogic);
    let sas = with(">AHCI<", ">LsiLogicSas<").unwrap();
    assert_eq!(sas.hardware.disk_controller, DiskController::LsiLogicSas);
    let pcnet = with(">E1000<", ">PCNet32<").unwrap();
    assert_eq!(pcnet.hardware.nic, NicModel::Pcnet);
    let unnamed = with("<rasd:ResourceSubType>E1000</rasd:ResourceSubType>", "").unwrap();
    assert_eq!((unnamed.hardware.nic, unnamed.notes.len()), (NicModel::E1000, 0));
    let old = with("Ubuntu_64", "Ubuntu").unwrap();
    assert_eq!(old.hardware.arch, Arch::I386);
    let arm = with("Ubuntu_64", "Ubuntu_arm64").unwrap();
    assert_eq!(arm.hardware.arch, Arch::Aarch64);
    let efi = with("<Memory RAMSize", "<Firmware type=\"EFI\"/><Memory RAMSize").unwrap();
    assert_eq!(efi.hardware.firmware, Firmware::Efi);
    let gib = with("384</rasd:VirtualQuantity>", "1</rasd:VirtualQuantity>");
    assert_eq!(gib.unwrap().notes, ["the OVF says 1 MiB of memory, which cannot be right: 512 MiB are used"]);
    let two = with(">/disk/vmdisk1<", ">ovf:/disk/vmdisk1<").unwrap();
    assert_eq!(two.disk, "box-disk001.vmdk");
}

#[test]
fn ovf_2_has_other_names_for_its_items() {
    let text = SATA
        .replace("<Item><rasd:AddressOnParent>", "<StorageItem><rasd:AddressOnParent>")
        .replace(
            "<rasd:ResourceType>17</rasd:ResourceType></Item>",
            "<rasd:ResourceType>17</rasd:ResourceType></StorageItem>",
        )
        .replace("<Item><rasd:Connection>", "<EthernetPortItem><rasd:Connection>")
        .replace(
            "<rasd:ResourceType>10</rasd:ResourceType></Item>",
            "<rasd:ResourceType>10</rasd:ResourceType></EthernetPortItem>",
        );
    assert_eq!(read(&text).unwrap(), read(SATA).unwrap());
}

#[test]
fn the_disk_on_the_first_place_is_the_system() {
    let second = r#"<Item><rasd:AddressOnParent>1</rasd:AddressOnParent><rasd:ElementName>data</rasd:ElementName>
        <rasd:HostResource>/disk/other</rasd:HostResource><rasd:InstanceID>7</rasd:InstanceID>
        <rasd:Parent>5</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>
      <Item><rasd:AddressOnParent>0"#;
    let ovf = with("<Item><rasd:AddressOnParent>0", second).unwrap();
    assert_eq!(ovf.disk, "box-disk001.vmdk");
    assert_eq!(ovf.notes, ["a further disk is left out: data"]);
}

#[test]
fn what_is_not_understood_is_listed() {
    let ovf = with(">AHCI<", ">NVMe<").unwrap();
    assert_eq!(ovf.notes, ["the disk's controller (type 20 \"NVMe\") is not known: SATA"]);
    let ovf = with(">E1000<", ">VmxNet3<").unwrap();
    assert_eq!(ovf.notes, ["the network card \"VmxNet3\" is not known: e1000"]);
    let ovf = with("<rasd:ResourceType>5<", "<rasd:ResourceType>21<").unwrap();
    assert_eq!(ovf.notes, ["left out: ideController0 (resource type 21)"]);
    let ovf = with("<VirtualSystem ", "<vmw:StorageSection xmlns:vmw=\"x\"/><VirtualSystem ").unwrap();
    assert_eq!(ovf.notes, ["not understood: StorageSection"]);
    let ovf = with("</VirtualHardwareSection>", "</VirtualHardwareSection><InstallSection/>").unwrap();
    assert_eq!(ovf.notes, ["not understood: InstallSection"]);
    let card =
        "<Item><rasd:ElementName>eth1</rasd:ElementName><rasd:ResourceType>10</rasd:ResourceType></Item>";
    let ovf = with("</VirtualHardwareSection>", &format!("{card}</VirtualHardwareSection>")).unwrap();
    assert_eq!(ovf.notes, ["a further network card is left out: eth1"]);
}

#[test]
fn a_disk_outside_of_the_box_is_refused() {
    for name in ["../box-disk001.vmdk", "/etc/shadow", "http://x/y.vmdk", "a\\b", "..", "C:x"] {
        let error = with("box-disk001.vmdk", name).unwrap_err();
        assert_eq!(error.kind(), Kind::HostileBox, "{name}");
    }
    assert_eq!(with("box-disk001.vmdk", "").unwrap_err().kind(), Kind::BadBox);
}

#[test]
fn what_is_no_ovf_is_refused() {
    let entities = SATA.replace("<Envelope", "<!DOCTYPE x [<!ENTITY a \"aaaa\">]>\n<Envelope");
    assert_eq!(read(&entities).unwrap_err().kind(), Kind::HostileBox);
    let laughs = "<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;\">]>";
    let laughs = SATA.replace("<Envelope", &format!("{laughs}\n<Envelope")).replace("A virtual", "&c;");
    assert_eq!(read(&laughs).unwrap_err().kind(), Kind::HostileBox);
    let external = SATA.replace("<Envelope", "<!DOCTYPE x SYSTEM \"file:///etc/passwd\">\n<Envelope");
    assert_eq!(read(&external).unwrap_err().kind(), Kind::HostileBox);
    for text in ["", "<a/>", "<Envelope/>", "{}", &SATA[..900]] {
        assert_eq!(read(text).unwrap_err().kind(), Kind::BadBox, "{text}");
    }
    assert_eq!(with("ovf:fileRef=\"file1\"", "ovf:fileRef=\"file2\"").unwrap_err().kind(), Kind::BadBox);
    assert_eq!(with("/disk/vmdisk1", "/disk/gone").unwrap_err().kind(), Kind::BadBox);
    let nested = "<x>".repeat(50_000);
    assert!(read(&nested).is_err());
}
