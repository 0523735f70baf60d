// Run only by browsers that know no modules, so written as they understand it.
document.getElementById("old-browser").hidden = false;
document.getElementById("view-form").hidden = true;
