package dbusapi

import (
	"encoding/xml"
	"fmt"
	"io/fs"
	"strings"

	"github.com/cssc-ha/cssc/contrib/dist/dbus-1/interfaces"
)

const introspectHeader = `<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
`

// standardXML describes the interfaces that every object has.
const standardXML = ` <interface name="org.freedesktop.DBus.Peer">
  <method name="Ping"/>
  <method name="GetMachineId"><arg name="machine_uuid" type="s" direction="out"/></method>
 </interface>
 <interface name="org.freedesktop.DBus.Introspectable">
  <method name="Introspect"><arg name="xml_data" type="s" direction="out"/></method>
 </interface>
 <interface name="org.freedesktop.DBus.Properties">
  <method name="Get"><arg name="interface_name" type="s" direction="in"/><arg name="property_name" type="s" direction="in"/><arg name="value" type="v" direction="out"/></method>
  <method name="GetAll"><arg name="interface_name" type="s" direction="in"/><arg name="properties" type="a{sv}" direction="out"/></method>
  <method name="Set"><arg name="interface_name" type="s" direction="in"/><arg name="property_name" type="s" direction="in"/><arg name="value" type="v" direction="in"/></method>
  <signal name="PropertiesChanged"><arg name="interface_name" type="s"/><arg name="changed_properties" type="a{sv}"/><arg name="invalidated_properties" type="as"/></signal>
 </interface>
`

// interfaceText returns the interface element of one of the installed files,
// comments left out; they are for people and stand in the file.
func interfaceText(name string) (string, error) {
	data, err := fs.ReadFile(interfaces.Files(), name+".xml")
	if err != nil {
		return "", fmt.Errorf("introspection of %s: %w", name, err)
	}
	var out strings.Builder
	encoder := xml.NewEncoder(&out)
	encoder.Indent(" ", " ")
	decoder := xml.NewDecoder(strings.NewReader(string(data)))
	depth := 0
	for {
		token, tokenErr := decoder.Token()
		if tokenErr != nil {
			break
		}
		inside := depth > 1
		switch element := token.(type) {
		case xml.StartElement:
			depth++
			inside = depth > 1
		case xml.EndElement:
			depth--
		case xml.CharData:
			if strings.TrimSpace(string(element)) == "" {
				continue
			}
		case xml.Comment, xml.Directive, xml.ProcInst:
			continue
		}
		if !inside {
			continue
		}
		if err = encoder.EncodeToken(token); err != nil {
			return "", fmt.Errorf("introspection of %s: %w", name, err)
		}
	}
	if err = encoder.Close(); err != nil {
		return "", fmt.Errorf("introspection of %s: %w", name, err)
	}

	return out.String() + "\n", nil
}

// nodeText is the answer to Introspect for an object with these interfaces and children.
func nodeText(own string, children []string) string {
	var out strings.Builder
	out.WriteString(introspectHeader + "<node>\n" + standardXML + own)
	for _, child := range children {
		out.WriteString(` <node name="` + child + "\"/>\n")
	}
	out.WriteString("</node>\n")

	return out.String()
}

// description is one interface as its file describes it.
type description struct {
	Name    string `xml:"name,attr"`
	Methods []struct {
		Name string     `xml:"name,attr"`
		Args []argument `xml:"arg"`
	} `xml:"method"`
	Signals []struct {
		Name string     `xml:"name,attr"`
		Args []argument `xml:"arg"`
	} `xml:"signal"`
	Properties []struct {
		Name        string `xml:"name,attr"`
		Type        string `xml:"type,attr"`
		Access      string `xml:"access,attr"`
		Annotations []struct {
			Name  string `xml:"name,attr"`
			Value string `xml:"value,attr"`
		} `xml:"annotation"`
	} `xml:"property"`
}

type argument struct {
	Name      string `xml:"name,attr"`
	Type      string `xml:"type,attr"`
	Direction string `xml:"direction,attr"`
}

// describe reads one interface's file.
func describe(name string) (*description, error) {
	data, err := fs.ReadFile(interfaces.Files(), name+".xml")
	if err != nil {
		return nil, fmt.Errorf("description of %s: %w", name, err)
	}
	var file struct {
		Interface description `xml:"interface"`
	}
	if err = xml.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("description of %s: %w", name, err)
	}

	return &file.Interface, nil
}

// signalArguments are the names of the arguments of each signal.
func signalArguments(name string) (map[string][]string, error) {
	described, err := describe(name)
	if err != nil {
		return nil, err
	}
	names := make(map[string][]string, len(described.Signals))
	for _, signal := range described.Signals {
		list := make([]string, len(signal.Args))
		for index := range signal.Args {
			list[index] = signal.Args[index].Name
		}
		names[signal.Name] = list
	}

	return names, nil
}
